/**
 * How long nothing has been written to each segment. The time of a file is no reliable source: when the system's clock
 * is set forward by ten minutes, all earlier writes look ten minutes older, and the journal would remove its history
 * too early. The time of the file therefore counts only for segments that exist at the start; from then on the
 * monotonic clock counts.
 */
import type { Clock } from '../clock.js'

export class SegmentAges {
  readonly #clock: Clock
  /** The first offset of each segment, and when it was last written to, by the monotonic clock. */
  readonly #writtenAtMs = new Map<number, number>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Adds a segment that exists at the start, with the time of its file: milliseconds since 1970. */
  found(segment: number, fileTimeMs: number): void {
    const now = this.#clock.now()
    const ageMs = Math.min(now, Math.max(0, now - fileTimeMs))
    this.#writtenAtMs.set(segment, this.#clock.monotonic() - ageMs)
  }

  /** A process has just written to the segment. */
  written(segment: number): void {
    this.#writtenAtMs.set(segment, this.#clock.monotonic())
  }

  /** Milliseconds. The age of an unknown segment counts from this call. */
  ageMs(segment: number): number {
    if (!this.#writtenAtMs.has(segment)) this.written(segment)
    return this.#clock.monotonic() - (this.#writtenAtMs.get(segment) ?? 0)
  }

  forget(segment: number): void {
    this.#writtenAtMs.delete(segment)
  }
}
