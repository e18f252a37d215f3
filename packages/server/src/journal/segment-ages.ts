/**
 * For how long nothing has been written to a segment. A file's time alone does not tell: when the system's clock is set
 * forward by ten minutes, everything written before looks ten minutes older, and a journal that believed it would remove
 * its history at once. So a time is read from the file only for what was there at the start; from then on the monotonic
 * clock counts.
 */
import type { Clock } from '../clock.js'

export class SegmentAges {
  readonly #clock: Clock
  /** First offset → when it was last written, by the monotonic clock. */
  readonly #writtenAtMs = new Map<number, number>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** A segment that was there at the start, with its file's time: milliseconds since 1970. */
  found(segment: number, fileTimeMs: number): void {
    const now = this.#clock.now()
    const ageMs = Math.min(now, Math.max(0, now - fileTimeMs))
    this.#writtenAtMs.set(segment, this.#clock.monotonic() - ageMs)
  }

  /** Something was written to a segment just now, by whomever. */
  written(segment: number): void {
    this.#writtenAtMs.set(segment, this.#clock.monotonic())
  }

  /** In milliseconds. A segment that nobody has told of is as old as this question. */
  ageMs(segment: number): number {
    if (!this.#writtenAtMs.has(segment)) this.written(segment)
    return this.#clock.monotonic() - (this.#writtenAtMs.get(segment) ?? 0)
  }

  forget(segment: number): void {
    this.#writtenAtMs.delete(segment)
  }
}
