/**
 * The clock of one simulated process. It stops when the process is killed, and with it all callbacks of the process.
 */
import type { Clock } from '#server/clock.js'
import type { Scheduler } from './scheduler.js'

/** The start time of every run, in milliseconds since 1970. */
export const BEGIN_MS = Date.UTC(2026, 0, 1)

export class ProcessClock implements Clock {
  readonly #scheduler: Scheduler
  #isStopped = false

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler
  }

  stop(): void {
    this.#isStopped = true
  }

  now(): number {
    return BEGIN_MS + Math.floor(this.#scheduler.nowMs)
  }

  monotonic(): number {
    return this.#scheduler.nowMs
  }

  soon(callback: () => void): void {
    this.after(0, callback)
  }

  after(ms: number, callback: () => void): () => void {
    return this.#scheduler.after(ms, () => {
      if (!this.#isStopped) callback()
    })
  }

  every(ms: number, callback: () => void): () => void {
    let isOver = false
    const again = (): void => {
      if (isOver) return
      cancel = this.after(ms, again)
      callback()
    }
    let cancel = this.after(ms, again)
    return () => {
      isOver = true
      cancel()
    }
  }

  keepAwake(): () => void {
    return () => undefined
  }
}
