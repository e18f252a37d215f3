/**
 * What a file journal does beside reading and writing: it removes what is no longer kept, notes how far it has read, and
 * looks whether its directory is still the one that was opened. Each of these runs once at a time, and none of them may
 * end the journal.
 */
import type { Clock } from '../clock.js'
import type { LastcallError } from '../errors.js'
import type { Retention } from './journal.js'
import { countExpired } from './retention.js'
import { SegmentAges } from './segment-ages.js'
import type { SegmentDirectory } from './segment-directory.js'
import type { SegmentReader } from './segment-reader.js'

export interface CaretakerOptions {
  readonly directory: SegmentDirectory
  readonly retention: Retention
  readonly clock: Clock
  /** The reader at the end of the journal. */
  readonly reader: () => SegmentReader
}

export class Caretaker {
  readonly #options: CaretakerOptions
  readonly #ages: SegmentAges
  #trimming: Promise<void> | undefined
  #isLooking = false
  #notedPosition = 0

  constructor(options: CaretakerOptions) {
    this.#options = options
    this.#ages = new SegmentAges(options.clock)
  }

  /** Notes how old the segments are that are there at the start. */
  async open(): Promise<void> {
    const { directory } = this.#options
    for (const segment of directory.list()) {
      const fileTimeMs = await directory.fileTimeMs(segment)
      if (fileTimeMs !== undefined) this.#ages.found(segment, fileTimeMs)
    }
  }

  /** A segment has ended: from now on it only grows older. */
  ended(segment: number): void {
    this.#ages.written(segment)
  }

  /** Removes the segments of which nothing is kept. Other processes do so, too, with their limits. Never rejects. */
  trim(): Promise<void> {
    this.#trimming ??= this.#removeExpired()
      // It is tried again; that the disk can't be read or written is noticed elsewhere.
      .catch(() => undefined)
      .then(() => (this.#trimming = undefined))
    return this.#trimming
  }

  async #removeExpired(): Promise<void> {
    const { directory, retention, reader } = this.#options
    const segments = await directory.facts(this.#ages)
    const live = reader().file.header.firstOffset
    const expired = segments.slice(0, countExpired(segments, reader(), retention))
    for (const { firstOffset } of expired) {
      if (firstOffset >= live) return
      await directory.remove(firstOffset)
      this.#ages.forget(firstOffset)
    }
  }

  /** Tells why the directory is not the one that was opened any more, or that it is. */
  async look(tell: (displacement: LastcallError | undefined) => void): Promise<void> {
    if (this.#isLooking) return
    this.#isLooking = true
    const { directory, reader } = this.#options
    const { file } = reader()
    const displacement = await directory.displacement(file)
    this.#isLooking = false
    if (reader().file === file) tell(displacement)
  }

  async noteProgress(): Promise<void> {
    const { directory, reader } = this.#options
    const { file, position, nextOffset } = reader()
    if (position === this.#notedPosition) return
    this.#notedPosition = position
    const { epoch, firstOffset: segment } = file.header
    await directory.writeCheckpoint({ epoch, segment, position, nextOffset })
  }

  /** For the end: a note that is up to date, whatever was noted before. */
  async noteLast(): Promise<void> {
    this.#notedPosition = 0
    await this.noteProgress()
  }
}
