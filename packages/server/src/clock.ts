/**
 * Time as a parameter, so that unit tests do not wait and a simulation runs on virtual time. No other module calls the timers
 * and the clocks of Node, except for those that the lint configuration lists.
 */

export interface Clock {
  /** Milliseconds since 1970: for times that people and other machines read. */
  now(): number
  /** The monotonic clock, in milliseconds: for durations. */
  monotonic(): number
  /** Calls back in the next turn of the event loop, after the input that this turn has brought. Keeps the process alive. */
  soon(callback: () => void): void
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
  soon: (callback) => void setImmediate(callback),
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

/** Resolves in the next turn of the event loop. */
export const nextTurn = (clock: Pick<Clock, 'soon'>): Promise<void> => new Promise((resolve) => clock.soon(resolve))

/** Resolves after this number of milliseconds. Keeps the process alive meanwhile. */
export async function pause(clock: Pick<Clock, 'after' | 'keepAwake'>, ms: number): Promise<void> {
  const sleepAgain = clock.keepAwake()
  await new Promise<void>((resolve) => clock.after(ms, resolve))
  sleepAgain()
}

/**
 * Throws the error of a callback where nothing catches it: the process reports it as uncaught, and the caller, whose fault it is
 * not, continues.
 */
export function throwUncaught(error: unknown): void {
  queueMicrotask(() => {
    throw error
  })
}
