/**
 * Which entries concern which client otherwise than the rest of their audience. Only clients that are behind ask, so the
 * index is built when one does, and from then on as far as the last question reached.
 */
import { forEachConcernedPersonally, type KeptEntry } from '../journal/entry-kinds.js'
import { Fifo } from './fifo.js'

export class PersonalIndex {
  readonly #entryAt: (offset: number) => KeptEntry
  /** Ascending offsets. */
  readonly #offsets = new Map<string, Fifo<number>>()
  /** The entries up to this offset are indexed, as far as they are retained. */
  #upTo = 0

  /** @param entryAt the retained entry at an offset. */
  constructor(entryAt: (offset: number) => KeptEntry) {
    this.#entryAt = entryAt
  }

  /** The retained entries begin after this offset, and none of them is indexed. */
  reset(offset: number): void {
    this.#offsets.clear()
    this.#upTo = offset
  }

  /** Indexes the retained entries from `first` to `head` that are not indexed yet. */
  extend(first: number, head: number): void {
    for (let offset = Math.max(this.#upTo + 1, first); offset <= head; offset++) {
      forEachConcernedPersonally(this.#entryAt(offset), (clientId) => {
        let offsets = this.#offsets.get(clientId)
        if (!offsets) this.#offsets.set(clientId, (offsets = new Fifo()))
        offsets.push(offset)
      })
    }
    this.#upTo = Math.max(this.#upTo, head)
  }

  /** The oldest retained entry is being evicted. */
  forget(entry: KeptEntry): void {
    if (entry.offset > this.#upTo) return
    forEachConcernedPersonally(entry, (clientId) => {
      const offsets = this.#offsets.get(clientId)
      offsets?.shift()
      if (offsets?.size === 0) this.#offsets.delete(clientId)
    })
  }

  /** Whether an indexed entry between these offsets (the first exclusive) concerns this client personally. */
  has(clientId: string, after: number, upTo: number): boolean {
    const offsets = this.#offsets.get(clientId)
    if (!offsets) return false
    let low = 0
    let high = offsets.size
    while (low < high) {
      const middle = (low + high) >> 1
      if ((offsets.at(middle) ?? Infinity) <= after) low = middle + 1
      else high = middle
    }
    return (offsets.at(low) ?? Infinity) <= upTo
  }
}
