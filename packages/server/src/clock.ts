/**
 * Time as a parameter, so that unit tests do not wait.
 */

export interface Clock {
  /** Milliseconds since 1970: for times that people and other machines read. */
  now(): number
  /** The monotonic clock, in milliseconds: for durations. */
  monotonic(): number
  /**
   * Calls back after `ms` milliseconds of the monotonic clock, never earlier; the returned function cancels it. Does not keep the
   * process alive.
   */
  after(ms: number, callback: () => void): () => void
  /** Calls back at this interval, in milliseconds; the returned function ends it. Does not keep the process alive. */
  every(ms: number, callback: () => void): () => void
  /** Keeps the process alive until the returned function is called. */
  keepAwake(): () => void
}

/** It keeps the process alive and does nothing else. */
const LONG_MS = 3_600_000

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(ms, callback) {
    const dueMs = performance.now() + ms
    // Node counts in whole milliseconds: its timer is up to one millisecond early.
    const look = (): void => {
      const leftMs = dueMs - performance.now()
      if (leftMs > 0) timer = setTimeout(look, Math.ceil(leftMs)).unref()
      else callback()
    }
    let timer = setTimeout(look, ms).unref()
    return () => clearTimeout(timer)
  },
  every(ms, callback) {
    const timer = setInterval(callback, ms).unref()
    return () => clearInterval(timer)
  },
  keepAwake() {
    const timer = setInterval(() => undefined, LONG_MS)
    return () => clearInterval(timer)
  },
}
