/**
 * When a reader waits before it reads on, so that one reply brings many entries. Each reply costs about as much as twenty
 * entries: at 20,000 entries per second, replies of two would take most of a core. Below a few thousand per second, and as
 * soon as the entries come slower, the reader never waits. Pure.
 */

/** So long the entries of a busy stream are gathered. */
const GATHER_MS = 2
/** Replies in a row that came right after each other: then the stream is busy. */
const BUSY_REPLIES = 6
const RIGHT_AFTER_MS = 1
/** Fewer entries than this in a gathered reply, and the stream is not busy any more. */
const MIN_GATHERED = 8

export class Gathering {
  #quick = 0
  #isGathering = false
  #lastReplyMs = -Infinity

  /** Milliseconds to wait after a reply. */
  delayAfter(entryCount: number, nowMs: number): number {
    const sinceLastMs = nowMs - this.#lastReplyMs
    this.#lastReplyMs = nowMs
    if (this.#isGathering) this.#isGathering = entryCount >= MIN_GATHERED
    else {
      this.#quick = sinceLastMs <= RIGHT_AFTER_MS ? this.#quick + 1 : 0
      this.#isGathering = this.#quick >= BUSY_REPLIES
    }
    if (!this.#isGathering) return 0
    this.#quick = 0
    return GATHER_MS
  }
}
