/**
 * The window: the newest part of the journal in memory. It owns what is retained, which entry is a retry of which, and the
 * time at which each entry was received. It knows nothing of connections.
 */
import type { TransportEncoding } from '../connections/encoding.js'
import { invariant } from '../invariant.js'
import { countsTowardsHistory, type KeptEntry } from '../journal/entry-kinds.js'
import { entryLimit } from '../journal/entry-limit.js'
import type { Entry, Retention } from '../journal/journal.js'
import { Fifo } from './fifo.js'
import { Frames } from './frames.js'
import { PersonalIndex } from './personal-index.js'
import { RetryIndex } from './retry-index.js'

/** An entry and what is known about it. */
export interface WindowEntry {
  readonly entry: KeptEntry
  readonly frames: Frames
  /** The offset of the first entry with the same sender and id: this one is its retry and is delivered to nobody. */
  readonly retryOf: number | undefined
}

/** When a batch was read. */
export interface ReadingTime {
  /** Milliseconds since 1970. */
  readonly wallMs: number
  /** Milliseconds of the monotonic clock. */
  readonly monotonicMs: number
  /**
   * The entries were in the journal before this instance was: their age is what their `at` says. Otherwise an entry's age
   * is measured from its receipt, because the clocks of its writer and of this instance may differ by minutes.
   */
  readonly isHistory: boolean
}

class Slot implements WindowEntry {
  readonly frames: Frames
  readonly retryOf: number | undefined
  /** By the monotonic clock; never less than that of the entry before. */
  readonly receivedAtMs: number

  constructor(frames: Frames, retryOf: number | undefined, receivedAtMs: number) {
    this.frames = frames
    this.retryOf = retryOf
    this.receivedAtMs = receivedAtMs
  }

  get entry(): KeptEntry {
    return this.frames.entry
  }
}

/** The window as its readers see it. */
export type WindowView = Omit<Window, 'push' | 'reset' | 'trim'>

export class Window {
  readonly #retention: Retention
  readonly #encoding: TransportEncoding
  readonly #slots = new Fifo<Slot>()
  /** The offset that the next entry has. */
  #next = 1
  #bytes = 0
  /** The retained entries that count towards HISTORY_SIZE. */
  #messageCount = 0
  /** Of the newest entry. */
  #receivedAtMs = -Infinity
  /** The time that clients are given with the newest entry, in milliseconds since 1970. */
  #at = 0
  readonly #retries: RetryIndex
  readonly #personal = new PersonalIndex((offset) => this.at(offset).entry)

  constructor(retention: Retention, encoding: TransportEncoding) {
    this.#retention = retention
    this.#retries = new RetryIndex(retention)
    this.#encoding = encoding
  }

  /** The offset of the oldest retained entry; the next one's when nothing is retained. */
  get first(): number {
    return this.#next - this.size
  }

  /** The offset of the newest entry ever pushed. */
  get head(): number {
    return this.#next - 1
  }

  /** How many entries of every kind are retained. */
  get size(): number {
    return this.#slots.size
  }

  /** The size of the retained entries in bytes of the journal. */
  get bytes(): number {
    return this.#bytes
  }

  /** Forgets everything; the next entry will have this offset. */
  reset(nextOffset: number): void {
    this.#slots.clear()
    this.#next = nextOffset
    this.#bytes = 0
    this.#messageCount = 0
    this.#at = 0
    this.#retries.clear()
    this.#personal.reset()
  }

  /** Takes the next entry and evicts what no longer fits. */
  push(entry: Entry, time: ReadingTime): WindowEntry {
    const retryOf = this.#retries.note(entry)
    this.#note(entry, time)
    const slot = new Slot(new Frames(entry, this.#at, this.#encoding), retryOf, this.#receivedAtMs)
    this.#slots.push(slot)
    this.#next = entry.offset + 1
    this.#bytes += entry.bytes
    if (countsTowardsHistory(entry)) this.#messageCount++
    this.trim(time.monotonicMs)
    return slot
  }

  /**
   * Notes when the entry was received, and the time that clients are given: it is not in the future, and not before that of
   * the entry before, however much the clocks of the writers differ.
   */
  #note({ at }: Entry, { wallMs, monotonicMs, isHistory }: ReadingTime): void {
    const writtenAt = Math.min(Math.max(at, 0), wallMs)
    const receivedAtMs = isHistory ? monotonicMs - (wallMs - writtenAt) : monotonicMs
    if (receivedAtMs > this.#receivedAtMs) this.#receivedAtMs = receivedAtMs
    if (writtenAt > this.#at) this.#at = writtenAt
  }

  /**
   * Evicts what is too old, too much or too large.
   *
   * @param now by the monotonic clock.
   */
  trim(now: number): void {
    const { maxEntries, maxAgeMs, maxBytes } = this.#retention
    for (let oldest; (oldest = this.#slots.at(0));) {
      const isInRoom =
        this.#messageCount <= maxEntries && this.#bytes <= maxBytes && this.size <= entryLimit(maxEntries)
      if (isInRoom && oldest.receivedAtMs >= now - maxAgeMs) return
      this.#slots.shift()
      this.#forget(oldest.entry)
    }
  }

  #forget(entry: KeptEntry): void {
    this.#bytes -= entry.bytes
    if (countsTowardsHistory(entry)) this.#messageCount--
    this.#personal.forget(entry.offset)
  }

  /** The entry at this offset, which must be retained: `first ≤ offset ≤ head`. */
  at(offset: number): WindowEntry {
    const slot = this.#slots.at(offset - this.first)
    // The text is made only on a failure: this is called for each entry of a catch-up.
    if (!slot) invariant(false, `entry ${offset} is not retained: the window has ${this.first} to ${this.head}`)
    return slot
  }

  /** Whether everything after this offset is still retained. */
  reaches(offset: number): boolean {
    return offset >= this.first - 1 && offset <= this.head
  }

  /** Where this client's message with this id stands, if it is known. It may be evicted because of its age. */
  offsetOf(clientId: string, id: string): number | undefined {
    return this.#retries.offsetOf(clientId, id)
  }

  /** Whether between these offsets (the first exclusive) something concerns this client otherwise than everybody else. */
  isPersonal(clientId: string, after: number, upTo: number): boolean {
    return this.#personal.has(clientId, after, upTo, this.first)
  }
}
