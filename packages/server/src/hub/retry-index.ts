/**
 * Where the first entry with each sender and retry id stands: what makes a second one a retry. One map per sender, because
 * a joined key costs four times as much to build and to hash.
 */
export class RetryIndex {
  readonly #bySender = new Map<string, Map<string, number>>()

  offsetOf(sender: string, id: string): number | undefined {
    return this.#bySender.get(sender)?.get(id)
  }

  /** Notes an entry, and answers with the offset of the first one with the same sender and id, if there is one. */
  note(sender: string, id: string, offset: number): number | undefined {
    let offsets = this.#bySender.get(sender)
    if (!offsets) this.#bySender.set(sender, (offsets = new Map<string, number>()))
    const first = offsets.get(id)
    if (first === undefined) offsets.set(id, offset)
    return first
  }

  /** The entry at this offset is no longer retained. */
  forget(sender: string, id: string, offset: number): void {
    const offsets = this.#bySender.get(sender)
    if (offsets?.get(id) !== offset) return
    offsets.delete(id)
    if (offsets.size === 0) this.#bySender.delete(sender)
  }

  clear(): void {
    this.#bySender.clear()
  }
}
