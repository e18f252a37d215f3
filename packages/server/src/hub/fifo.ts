/**
 * A queue that gives its oldest item back in constant time, whatever its length, and any other item by its place.
 */

/** Fewer items that were taken out are not worth a copy of the rest. */
const MIN_CUT = 1024

export class Fifo<Item> {
  #items: (Item | undefined)[] = []
  /** The items before it have been taken out. */
  #start = 0

  get size(): number {
    return this.#items.length - this.#start
  }

  push(item: Item): void {
    this.#items.push(item)
  }

  /** Takes the oldest item out. */
  shift(): Item | undefined {
    if (this.size === 0) return undefined
    const item = this.#items[this.#start]
    this.#items[this.#start++] = undefined
    if (this.#start >= MIN_CUT && this.#start > this.#items.length / 2) {
      this.#items = this.#items.slice(this.#start)
      this.#start = 0
    }
    return item
  }

  /** The item with so many older ones before it. */
  at(index: number): Item | undefined {
    return this.#items[this.#start + index]
  }

  clear(): void {
    this.#items = []
    this.#start = 0
  }
}
