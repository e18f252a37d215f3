/**
 * Time as a parameter, so that tests do not wait.
 */

/** Time, for tests. */
export interface Clock {
  /** The monotonic clock, in milliseconds. */
  now(): number
  /** Calls back after `ms` milliseconds. @returns Cancels the call. */
  after(ms: number, callback: () => void): () => void
}

export const systemClock: Clock = {
  now: () => performance.now(),
  after(ms, callback) {
    const timer = setTimeout(callback, ms)
    return () => clearTimeout(timer)
  },
}
