/**
 * How long the primary waits before it replaces a worker that crashed: no time after the first crash, then longer after each
 * crash, because a worker that crashes at its start would keep the machine busy with starts. Pure.
 */

const FIRST_DELAY_MS = 500
const MAX_DELAY_MS = 30_000

/** A worker that has run for this time did not crash because of its start. Milliseconds. */
const LIVED_MS = 60_000

export class CrashBackoff {
  #crashes = 0

  /** Milliseconds to wait before the replacement of a worker that lived for `livedMs`. */
  after(livedMs: number): number {
    if (livedMs >= LIVED_MS) this.#crashes = 0
    const delayMs = this.#crashes === 0 ? 0 : FIRST_DELAY_MS * 2 ** (this.#crashes - 1)
    // The count stops at the longest delay, so that the power stays finite.
    if (delayMs < MAX_DELAY_MS) this.#crashes++
    return Math.min(delayMs, MAX_DELAY_MS)
  }
}
