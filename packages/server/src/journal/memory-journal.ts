/**
 * `memory:`: an array, for tests and for servers that keep nothing. Each instance has its own, which ends with the
 * process.
 */
import type { Clock } from '../clock.js'
import { LastcallError } from '../errors.js'
import { decodeEntry, encodeEntry } from './entry-codec.js'
import type { EngineRetention, Entry, Journal, JournalListener, NewEntry, Tail } from './journal.js'
import { Listeners } from './listeners.js'
import { expectToFit, isWithin } from './retention.js'
import type { Randomness } from '../randomness.js'
import { newEpoch } from './segment.js'

export interface MemoryJournalOptions {
  readonly retention: EngineRetention
  readonly clock: Clock
  readonly randomness: Pick<Randomness, 'bytes'>
}

/** An entry, and the bytes of all entries before it. */
interface Placed {
  readonly entry: Entry
  readonly bytesBefore: number
  /** When it was appended, by the monotonic clock, because the system's clock may be set meanwhile. */
  readonly appendedAtMs: number
}

export class MemoryJournal implements Journal {
  readonly isShared = false
  readonly #options: MemoryJournalOptions
  readonly #epoch: string
  readonly #listeners = new Listeners()
  #entries: Placed[] = []
  /** The number of entries at the beginning of the array that are not retained any more. */
  #goneCount = 0
  #nextOffset = 1
  #totalBytes = 0
  #isClosed = false

  constructor(options: MemoryJournalOptions) {
    this.#options = options
    this.#epoch = newEpoch(options.randomness)
  }

  async append(newEntries: readonly NewEntry[]): Promise<void> {
    this.#expectOpen()
    // The entries are encoded and decoded like in every other engine, so a defect of the codec shows here, too.
    const encoded = newEntries.map(encodeEntry)
    for (const { length } of encoded) expectToFit(length, this.#options.retention)
    // Listeners receive the entries later than the call, like in every other engine. Microtasks keep the order of the
    // calls.
    await Promise.resolve()
    const entries = encoded.map((bytes) => this.#keep(decodeEntry(this.#nextOffset, bytes)))
    this.#trim()
    this.#listeners.onBatch(entries)
  }

  #keep(entry: Entry): Entry {
    const appendedAtMs = this.#options.clock.monotonic()
    this.#entries.push({ entry, bytesBefore: this.#totalBytes, appendedAtMs })
    this.#nextOffset++
    this.#totalBytes += entry.bytes
    return entry
  }

  /** Removes entries that are not retained any more, many at once, because each removal copies the array. */
  #trim(): void {
    const { retention, clock } = this.#options
    const head = { nextOffset: this.#nextOffset, totalBytes: this.#totalBytes }
    const freshSinceMs = clock.monotonic() - retention.maxAgeMs
    const isGone = ({ entry, bytesBefore, appendedAtMs }: Placed): boolean =>
      appendedAtMs < freshSinceMs || !isWithin(entry.offset, bytesBefore, head, retention)
    for (let first; (first = this.#entries[this.#goneCount]) && isGone(first);) this.#goneCount++
    if (this.#goneCount < this.#entries.length / 2) return
    this.#entries = this.#entries.slice(this.#goneCount)
    this.#goneCount = 0
  }

  async tail(listener: JournalListener): Promise<Tail> {
    this.#expectOpen()
    await Promise.resolve()
    this.#trim()
    const entries = this.#entries.slice(this.#goneCount).map(({ entry }) => entry)
    listener.onEpoch(this.#epoch, entries[0]?.offset ?? this.#nextOffset)
    if (entries.length > 0) listener.onBatch(entries)
    return this.#isClosed ? { stop: () => Promise.resolve() } : this.#listeners.add(listener)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#listeners.clear()
    await Promise.resolve()
  }

  #expectOpen(): void {
    if (this.#isClosed) throw new LastcallError('wrong_state', 'the journal is closed')
  }
}
