/**
 * The window: the newest part of the journal in memory. It owns which entries are retained, which entry is a retry of
 * which, and when this instance received each entry. It knows no connections.
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

/** An entry, and what the window knows about it. */
export interface WindowEntry {
  readonly entry: KeptEntry
  readonly frames: Frames
  /**
   * The offset of the first entry with the same idempotency key. The entry is then a retry, and the server delivers it
   * to nobody.
   */
  readonly retryOf: number | undefined
}

/** The time at which the feed read a batch. */
export interface ReadingTime {
  /** Milliseconds since 1970. */
  readonly wallMs: number
  /** Milliseconds of the monotonic clock. */
  readonly monotonicMs: number
  /**
   * Whether the entries were in the journal before this instance started. The age of such entries is measured from
   * their `at`. The age of any other entry is measured from its receipt, because the clocks of its writer and of this
   * instance may differ by minutes.
   */
  readonly isHistory: boolean
}

class Slot implements WindowEntry {
  readonly frames: Frames
  readonly retryOf: number | undefined
  /** By the monotonic clock. Never less than the value of the entry before. */
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

/** The window without the methods that change it. */
export type WindowView = Omit<Window, 'push' | 'reset' | 'trim'>

export class Window {
  readonly #retention: Retention
  readonly #encoding: TransportEncoding
  readonly #slots = new Fifo<Slot>()
  /** The offset of the next entry. */
  #next = 1
  #bytes = 0
  /** The number of retained entries that count towards HISTORY_SIZE. */
  #messageCount = 0
  /** When the newest entry was received, by the monotonic clock. */
  #receivedAtMs = -Infinity
  /** The time in the frames of the newest entry, in milliseconds since 1970. */
  #at = 0
  readonly #retries: RetryIndex
  readonly #personal = new PersonalIndex((offset) => this.at(offset).entry)

  constructor(retention: Retention, encoding: TransportEncoding) {
    this.#retention = retention
    this.#retries = new RetryIndex(retention)
    this.#encoding = encoding
  }

  /** The offset of the oldest retained entry, or of the next entry when nothing is retained. */
  get first(): number {
    return this.#next - this.size
  }

  /** The offset of the newest entry that was ever added. */
  get head(): number {
    return this.#next - 1
  }

  /** The number of retained entries of every kind. */
  get size(): number {
    return this.#slots.size
  }

  /** The size of the retained entries in the journal, in bytes. */
  get bytes(): number {
    return this.#bytes
  }

  /** Forgets everything. The next entry will have this offset. */
  reset(nextOffset: number): void {
    this.#slots.clear()
    this.#next = nextOffset
    this.#bytes = 0
    this.#messageCount = 0
    this.#at = 0
    this.#retries.clear()
    this.#personal.reset()
  }

  /** Adds the next entry, and evicts the entries for which there is no room any more. */
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
   * Notes when the entry was received, and the time for its frames. That time is not in the future and not before the
   * time of the previous entry, however much the clocks of the writers differ.
   */
  #note({ at }: Entry, { wallMs, monotonicMs, isHistory }: ReadingTime): void {
    const writtenAt = Math.min(Math.max(at, 0), wallMs)
    const receivedAtMs = isHistory ? monotonicMs - (wallMs - writtenAt) : monotonicMs
    if (receivedAtMs > this.#receivedAtMs) this.#receivedAtMs = receivedAtMs
    if (writtenAt > this.#at) this.#at = writtenAt
  }

  /**
   * Evicts entries until HISTORY_TTL, HISTORY_SIZE and HISTORY_BYTES are all met.
   *
   * @param now Milliseconds of the monotonic clock.
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

  /** The entry at this offset. The caller guarantees that it is retained: `first ≤ offset ≤ head`. */
  at(offset: number): WindowEntry {
    const slot = this.#slots.at(offset - this.first)
    // The condition stands outside of `invariant`, so that the text is formatted only on a failure: a catch-up calls
    // this method for each entry.
    if (!slot) invariant(false, `entry ${offset} is not retained: the window has ${this.first} to ${this.head}`)
    return slot
  }

  /** Whether the window retains every entry after this offset. */
  reaches(offset: number): boolean {
    return offset >= this.first - 1 && offset <= this.head
  }

  /**
   * The offset of this client's message with this id, if its key is known. The message itself may have been evicted
   * because of its age.
   */
  offsetOf(clientId: string, id: string): number | undefined {
    return this.#retries.offsetOf(clientId, id)
  }

  /** Whether an entry after `after` and up to `upTo` concerns this client personally. */
  isPersonal(clientId: string, after: number, upTo: number): boolean {
    return this.#personal.has(clientId, after, upTo, this.first)
  }
}
