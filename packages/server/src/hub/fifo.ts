/** A queue that returns its oldest item in constant time, whatever its length, and any other item by its index. */

/** The least number of removed items for which the queue copies the remaining ones to free memory. */
const MIN_CUT = 1024

export class Fifo<Item> {
  #items: (Item | undefined)[] = []
  /** The index of the oldest item. The items before it have been removed. */
  #start = 0

  get size(): number {
    return this.#items.length - this.#start
  }

  push(item: Item): void {
    this.#items.push(item)
  }

  /** Removes and returns the oldest item. */
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

  /** The item at this index. The oldest item has the index 0. */
  at(index: number): Item | undefined {
    return this.#items[this.#start + index]
  }

  clear(): void {
    this.#items = []
    this.#start = 0
  }
}
