/**
 * How long to wait before a worker that crashed is replaced: not at all the first time, then longer and longer, for a
 * worker that crashes at once would otherwise keep the machine busy with nothing else. Pure.
 */

const FIRST_DELAY_MS = 500
const MAX_DELAY_MS = 30_000

/** Who has lived so long did not crash because of how it started. */
const LIVED_MS = 60_000

export class Backoff {
  #crashes = 0

  /** Milliseconds to wait, after a life of so many. */
  after(livedMs: number): number {
    if (livedMs >= LIVED_MS) this.#crashes = 0
    const delayMs = this.#crashes === 0 ? 0 : FIRST_DELAY_MS * 2 ** (this.#crashes - 1)
    // No further than to the longest delay: the exponent would get out of hand.
    if (delayMs < MAX_DELAY_MS) this.#crashes++
    return Math.min(delayMs, MAX_DELAY_MS)
  }
}
