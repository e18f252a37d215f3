/**
 * The time of the client: a parameter, so that tests need not wait.
 */

/** Time, for tests. */
export interface Clock {
  /** Milliseconds that never go back. */
  now(): number
  /** Calls back after so many milliseconds. @returns Cancels the call. */
  after(ms: number, callback: () => void): () => void
}

export const systemClock: Clock = {
  now: () => performance.now(),
  after(ms, callback) {
    const timer = setTimeout(callback, ms)
    return () => clearTimeout(timer)
  },
}
