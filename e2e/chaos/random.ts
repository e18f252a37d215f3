/**
 * Randomness that can be had again: a seed, and streams of their own for whoever needs some, so that what one part draws
 * does not depend on how often another has drawn.
 */

export class Random {
  readonly #seed: string
  #state: number

  /** @param seed The same seed draws the same. */
  constructor(seed: string | number) {
    this.#seed = String(seed)
    this.#state = hash(this.#seed)
  }

  /** A stream of its own for this name. */
  fork(name: string): Random {
    return new Random(`${this.#seed}/${name}`)
  }

  /** 0 ≤ x < 1. Mulberry32: small, and the same everywhere. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }

  chance(probability: number): boolean {
    return this.next() < probability
  }

  /** 0, 1, … limit − 1. */
  below(limit: number): number {
    return Math.floor(this.next() * limit)
  }

  /** A whole number, both ends included. */
  between(least: number, most: number): number {
    return least + this.below(most - least + 1)
  }

  /** The same, small ones as often as large ones: for what matters by its order of magnitude. */
  magnitude(least: number, most: number): number {
    return Math.round(least * (most / least) ** this.next())
  }

  /** @throws {Error} The list is empty. */
  pick<Item>(list: readonly Item[]): Item {
    const index = this.below(list.length)
    for (const item of list.slice(index, index + 1)) return item
    throw new Error('an empty list has nothing to pick')
  }

  /** One of the keys, each as often as its weight says. */
  weighted<Key extends string>(weights: Readonly<Partial<Record<Key, number>>>): Key {
    const keys = keysOf(weights)
    const sum = keys.reduce((total, key) => total + (weights[key] ?? 0), 0)
    let left = this.next() * sum
    for (const key of keys) if ((left -= weights[key] ?? 0) < 0) return key
    return this.pick(keys.slice(0, 1))
  }
}

function keysOf<Key extends string>(weights: Readonly<Partial<Record<Key, number>>>): Key[] {
  const keys: Key[] = []
  for (const key in weights) keys.push(key)
  return keys
}

/** FNV-1a, and a last stir so that similar names are far apart. */
function hash(text: string): number {
  let value = 0x811c9dc5
  for (const character of Buffer.from(text)) value = Math.imul(value ^ character, 0x01000193)
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b)
  return (value ^ (value >>> 13)) | 0
}
