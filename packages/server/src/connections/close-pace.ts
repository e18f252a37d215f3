/**
 * The pace of closes that the server decides on by itself: peers and load balancers handle this many reconnects per second
 * without harm.
 */

export const MAX_CLOSES_PER_SECOND = 1000

/** The interval of paced closes, in milliseconds: long enough to cost little, short enough for an even rate. */
export const CLOSE_TICK_MS = 10

/**
 * The most connections that the server closes in one turn of the event loop. A close costs about 0.1 ms, with its last frame and its
 * log line.
 */
export const MAX_CLOSES_A_TURN = 128

/**
 * How late a tick may be and still close everything that has become due, in milliseconds. A later tick closes as many and no more:
 * after a stall of the process, one turn of the event loop must not close thousands, nor the clients reconnect together.
 */
const MAX_LATE_MS = 100

/** Counts the closes that have become due at this pace. It owns no timer. */
export class ClosePace {
  /** The closes that were due until then, by the monotonic clock, have been made or dropped. */
  #untilMs: number

  constructor(nowMs: number) {
    this.#untilMs = nowMs
  }

  /** The number of closes that have become due since the previous call. The caller makes them now. */
  takeDue(nowMs: number): number {
    const sinceMs = Math.max(this.#untilMs, nowMs - MAX_LATE_MS)
    const due = Math.floor(((nowMs - sinceMs) * MAX_CLOSES_PER_SECOND) / 1000)
    // The rest of a started millisecond counts in the next tick.
    this.#untilMs = sinceMs + (due * 1000) / MAX_CLOSES_PER_SECOND
    return due
  }
}

/** Records how many closes were made, and the most of them within one second: the proof that a pace was kept. */
export class ClosesMade {
  /** The closes of the last second. The oldest are first. */
  #recent: { readonly atMs: number; readonly count: number }[] = []
  #withinASecond = 0
  #total = 0
  #most = 0

  add(count: number, nowMs: number): void {
    if (count === 0) return
    this.#total += count
    this.#withinASecond += count
    this.#recent.push({ atMs: nowMs, count })
    while (this.#recent[0] && nowMs - this.#recent[0].atMs >= 1000) {
      this.#withinASecond -= this.#recent.shift()?.count ?? 0
    }
    this.#most = Math.max(this.#most, this.#withinASecond)
  }

  get total(): number {
    return this.#total
  }

  /** The most closes within any second. */
  get mostInASecond(): number {
    return this.#most
  }
}
