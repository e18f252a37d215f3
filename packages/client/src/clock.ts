/**
 * Time as a parameter, so that tests do not wait and a simulation runs on virtual time. No other module calls timers.
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

/** Throws the error of a handler where nothing catches it: the environment reports it as uncaught, and the client continues. */
export function throwUncaught(error: unknown): void {
  queueMicrotask(() => {
    throw error
  })
}
