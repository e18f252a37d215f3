/**
 * The offset of the first entry with each idempotency key (scope and id). A second entry with a known key is a retry.
 * A key is known while its entry is among the newest that HISTORY_SIZE and HISTORY_BYTES allow. Age does not count (ADR
 * 20): two instances that received an entry at different times would disagree on whether a later entry is its retry.
 */
import { countsTowardsHistory, retryIdOf, retryScopeOf } from '../journal/entry-kinds.js'
import { entryLimit } from '../journal/entry-limit.js'
import type { Entry, Retention } from '../journal/journal.js'
import { Fifo } from './fifo.js'

/** The first entry with its key, and how much of the journal precedes it. */
interface Known {
  readonly scope: string
  readonly id: string
  readonly offset: number
  readonly messagesBefore: number
  readonly bytesBefore: number
}

export class RetryIndex {
  readonly #retention: Omit<Retention, 'maxAgeMs'>
  /**
   * The index has one map per scope, because a key joined from scope and id costs four times as much to build and to
   * hash.
   */
  readonly #byScope = new Map<string, Map<string, number>>()
  /** The known entries in the journal's order. */
  readonly #known = new Fifo<Known>()
  /** The number of messages that the index has seen. */
  #messageCount = 0
  #bytes = 0

  constructor(retention: Omit<Retention, 'maxAgeMs'>) {
    this.#retention = retention
  }

  offsetOf(scope: string, id: string): number | undefined {
    return this.#byScope.get(scope)?.get(id)
  }

  /** Notes the next entry. Returns the offset of the first entry with the same key if that key is known. */
  note(entry: Entry): number | undefined {
    const first = this.#place(entry)
    this.#bytes += entry.bytes
    if (countsTowardsHistory(entry)) this.#messageCount++
    this.#trim(entry.offset)
    return first
  }

  clear(): void {
    this.#byScope.clear()
    this.#known.clear()
    this.#messageCount = this.#bytes = 0
  }

  #place(entry: Entry): number | undefined {
    const scope = retryScopeOf(entry)
    const id = retryIdOf(entry)
    if (scope === undefined || id === undefined) return undefined
    let offsets = this.#byScope.get(scope)
    if (!offsets) this.#byScope.set(scope, (offsets = new Map<string, number>()))
    const first = offsets.get(id)
    if (first !== undefined) return first
    const { offset } = entry
    offsets.set(id, offset)
    this.#known.push({ scope, id, offset, messagesBefore: this.#messageCount, bytesBefore: this.#bytes })
    return undefined
  }

  #trim(head: number): void {
    const { maxEntries, maxBytes } = this.#retention
    for (let oldest; (oldest = this.#known.at(0));) {
      const { scope, id, offset, messagesBefore, bytesBefore } = oldest
      const isInRoom =
        this.#messageCount - messagesBefore <= maxEntries &&
        this.#bytes - bytesBefore <= maxBytes &&
        head - offset < entryLimit(maxEntries)
      if (isInRoom) return
      this.#known.shift()
      this.#forget(scope, id)
    }
  }

  #forget(scope: string, id: string): void {
    const offsets = this.#byScope.get(scope)
    offsets?.delete(id)
    if (offsets?.size === 0) this.#byScope.delete(scope)
  }
}
