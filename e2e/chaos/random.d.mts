export class Random {
  constructor(seed: string | number)
  fork(name: string): Random
  next(): number
  chance(probability: number): boolean
  below(limit: number): number
  between(least: number, most: number): number
  magnitude(least: number, most: number): number
  pick<Item>(list: readonly Item[]): Item
  weighted<Key extends string>(weights: Readonly<Record<Key, number>>): Key
}
