/**
 * The maintenance of a file journal: it removes segments that are no longer retained, writes down how far this process
 * has read, and checks whether the directory is still the one that was opened. Only one run of each is under way at a
 * time, and a failure of one does not end the journal.
 */
import type { Clock } from '../clock.js'
import type { LastcallError } from '../errors.js'
import type { Retention } from './journal.js'
import { countExpired } from './retention.js'
import { SegmentAges } from './segment-ages.js'
import type { SegmentDirectory } from './segment-directory.js'
import type { SegmentReader } from './segment-reader.js'

export interface MaintenanceOptions {
  readonly directory: SegmentDirectory
  readonly retention: Retention
  readonly clock: Clock
  /** The reader at the end of the journal. */
  readonly reader: () => SegmentReader
}

export class Maintenance {
  readonly #options: MaintenanceOptions
  readonly #ages: SegmentAges
  #trimming: Promise<void> | undefined
  #isLooking = false
  #notedPosition = 0

  constructor(options: MaintenanceOptions) {
    this.#options = options
    this.#ages = new SegmentAges(options.clock)
  }

  /** Notes the ages of the segments that exist at the start. */
  async open(): Promise<void> {
    const { directory } = this.#options
    for (const segment of directory.list()) {
      const fileTimeMs = await directory.fileTimeMs(segment)
      if (fileTimeMs !== undefined) this.#ages.found(segment, fileTimeMs)
    }
  }

  /** A segment has ended, so nothing is written to it any more. */
  ended(segment: number): void {
    this.#ages.written(segment)
  }

  /**
   * Removes the segments of which no entry is retained. Other processes do the same with their own limits. Never
   * rejects.
   */
  trim(): Promise<void> {
    this.#trimming ??= this.#removeExpired()
      // The next run tries again. A disk that cannot be read or written is discovered by reading and writing.
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

  /** Checks the directory. Reports why it is not the one that was opened any more, or `undefined` if it is. */
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

  /** Writes down the final position, whatever was written before. */
  async noteLast(): Promise<void> {
    this.#notedPosition = 0
    await this.noteProgress()
  }
}
