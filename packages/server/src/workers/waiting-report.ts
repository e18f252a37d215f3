/**
 * A worker that waits for the journal's server reports this to the primary once per second. A worker whose event loop is
 * blocked reports nothing, and the primary's timeout ends it.
 */
import type { Clock } from '../clock.js'

const REPORT_EVERY_MS = 1000

export class WaitingReport {
  readonly #clock: Pick<Clock, 'every'>
  readonly #report: () => void
  #stop: (() => void) | undefined

  constructor(clock: Pick<Clock, 'every'>, report: () => void) {
    this.#clock = clock
    this.#report = report
  }

  set(isWaiting: boolean): void {
    if (!isWaiting) {
      this.#stop?.()
      this.#stop = undefined
    } else if (!this.#stop) {
      this.#report()
      this.#stop = this.#clock.every(REPORT_EVERY_MS, this.#report)
    }
  }
}
