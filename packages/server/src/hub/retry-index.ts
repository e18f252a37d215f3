/**
 * Where the first entry with each sender and retry id stands: what makes a second one a retry. It knows an id by the order
 * of the journal alone: as long as its entry is among the newest ones that HISTORY_SIZE and HISTORY_BYTES allow. Age does not
 * count (ADR 20): two instances that received an entry at different times would disagree on whether a later one is its retry.
 */
import { countsTowardsHistory, retryIdOf, senderOf } from '../journal/entry-kinds.js'
import { entryLimit } from '../journal/entry-limit.js'
import type { Entry, Retention } from '../journal/journal.js'
import { Fifo } from './fifo.js'

/** The first entry with its sender and id, and how much of the journal precedes it. */
interface Known {
  readonly sender: string
  readonly id: string
  readonly offset: number
  readonly messagesBefore: number
  readonly bytesBefore: number
}

export class RetryIndex {
  readonly #retention: Omit<Retention, 'maxAgeMs'>
  /** One map per sender, because a joined key costs four times as much to build and to hash. */
  readonly #bySender = new Map<string, Map<string, number>>()
  /** In the order of the journal. */
  readonly #known = new Fifo<Known>()
  /** Of all entries so far. */
  #messageCount = 0
  #bytes = 0

  constructor(retention: Omit<Retention, 'maxAgeMs'>) {
    this.#retention = retention
  }

  offsetOf(sender: string, id: string): number | undefined {
    return this.#bySender.get(sender)?.get(id)
  }

  /** Notes the next entry, and answers with the offset of the first one with the same sender and id, if it is known. */
  note(entry: Entry): number | undefined {
    const first = this.#place(entry)
    this.#bytes += entry.bytes
    if (countsTowardsHistory(entry)) this.#messageCount++
    this.#trim(entry.offset)
    return first
  }

  clear(): void {
    this.#bySender.clear()
    this.#known.clear()
    this.#messageCount = this.#bytes = 0
  }

  #place(entry: Entry): number | undefined {
    const sender = senderOf(entry)
    const id = retryIdOf(entry)
    if (sender === undefined || id === undefined) return undefined
    let offsets = this.#bySender.get(sender)
    if (!offsets) this.#bySender.set(sender, (offsets = new Map<string, number>()))
    const first = offsets.get(id)
    if (first !== undefined) return first
    const { offset } = entry
    offsets.set(id, offset)
    this.#known.push({ sender, id, offset, messagesBefore: this.#messageCount, bytesBefore: this.#bytes })
    return undefined
  }

  #trim(head: number): void {
    const { maxEntries, maxBytes } = this.#retention
    for (let oldest; (oldest = this.#known.at(0));) {
      const { sender, id, offset, messagesBefore, bytesBefore } = oldest
      const isInRoom =
        this.#messageCount - messagesBefore <= maxEntries &&
        this.#bytes - bytesBefore <= maxBytes &&
        head - offset < entryLimit(maxEntries)
      if (isInRoom) return
      this.#known.shift()
      this.#forget(sender, id)
    }
  }

  #forget(sender: string, id: string): void {
    const offsets = this.#bySender.get(sender)
    offsets?.delete(id)
    if (offsets?.size === 0) this.#bySender.delete(sender)
  }
}
