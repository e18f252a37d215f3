/**
 * The wait, before the report of a shutdown, for other instances to record the clients that left last: their entries may
 * still be on the way. A client that is recorded counts as moved.
 */
import type { Clock } from '../clock.js'
import type { DrainCounter } from './drain-report.js'

/** How long before the report, in milliseconds, another instance may record a client that has left. */
const SEEN_ELSEWHERE_WITHIN_MS = 100

export class LastSightings {
  readonly #clock: Pick<Clock, 'monotonic' | 'after'>
  #onComplete: (() => void) | undefined

  constructor(clock: Pick<Clock, 'monotonic' | 'after'>) {
    this.#clock = clock
  }

  /** All clients that have ended have been recorded. */
  complete(): void {
    this.#onComplete?.()
  }

  /** Resolves when `complete` is called, or when no record can be on the way any more. */
  async wait({ hasUnseen, lastUnseenAtMs }: DrainCounter): Promise<void> {
    const timeLeftMs = lastUnseenAtMs + SEEN_ELSEWHERE_WITHIN_MS - this.#clock.monotonic()
    if (!hasUnseen || timeLeftMs <= 0) return
    await new Promise<void>((resolve) => {
      const stop = this.#clock.after(timeLeftMs, resolve)
      this.#onComplete = () => {
        stop()
        resolve()
      }
    })
  }
}
