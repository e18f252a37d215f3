/**
 * Randomness that can be had again: a seed, and streams of their own for whoever needs some, so that what one part draws
 * does not depend on how often another has drawn.
 */

export class Random {
  #seed
  #state

  /** @param {string | number} seed The same seed draws the same. */
  constructor(seed) {
    this.#seed = String(seed)
    this.#state = hash(this.#seed)
  }

  /** A stream of its own for this name. */
  fork(name) {
    return new Random(`${this.#seed}/${name}`)
  }

  /** 0 ≤ x < 1. Mulberry32: small, and the same everywhere. */
  next() {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }

  chance(probability) {
    return this.next() < probability
  }

  /** 0, 1, … limit − 1. */
  below(limit) {
    return Math.floor(this.next() * limit)
  }

  /** A whole number, both ends included. */
  between(least, most) {
    return least + this.below(most - least + 1)
  }

  /** The same, small ones as often as large ones: for what matters by its order of magnitude. */
  magnitude(least, most) {
    return Math.round(least * (most / least) ** this.next())
  }

  pick(list) {
    return list[this.below(list.length)]
  }

  /** One of the keys, each as often as its weight says. */
  weighted(weights) {
    const sum = Object.values(weights).reduce((total, weight) => total + weight, 0)
    let left = this.next() * sum
    for (const [key, weight] of Object.entries(weights)) if ((left -= weight) < 0) return key
    return Object.keys(weights)[0]
  }
}

/** FNV-1a, and a last stir so that similar names are far apart. */
function hash(text) {
  let value = 0x811c9dc5
  for (const character of Buffer.from(text)) value = Math.imul(value ^ character, 0x01000193)
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b)
  return (value ^ (value >>> 13)) | 0
}
