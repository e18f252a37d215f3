/** Counts how often a mark occurs in the bytes that one client receives, also where the network cuts a mark in two. */
export class MarkCounter {
  readonly #mark: Buffer
  #tail: Buffer = Buffer.alloc(0)

  constructor(mark: string) {
    this.#mark = Buffer.from(mark)
  }

  /** The number of marks that `data` completes. */
  count(data: Buffer): number {
    const bytes = this.#tail.length > 0 ? Buffer.concat([this.#tail, data]) : data
    let found = 0
    let from = 0
    for (let at = bytes.indexOf(this.#mark); at >= 0; at = bytes.indexOf(this.#mark, from)) {
      found++
      from = at + this.#mark.length
    }
    this.#tail = bytes.subarray(Math.max(from, bytes.length - this.#mark.length + 1))
    return found
  }
}
