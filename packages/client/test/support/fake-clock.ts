/**
 * A clock whose time passes only when the test advances it.
 */
import type { Clock } from '../../src/index.js'

export class FakeClock implements Clock {
  #nowMs = 0
  readonly #timers = new Set<{ readonly atMs: number; readonly callback: () => void }>()

  now(): number {
    return this.#nowMs
  }

  after(ms: number, callback: () => void): () => void {
    const timer = { atMs: this.#nowMs + ms, callback }
    this.#timers.add(timer)
    return () => void this.#timers.delete(timer)
  }

  /** The number of pending timers. */
  get pending(): number {
    return this.#timers.size
  }

  /** Lets time pass and fires no timer: timers that come due are late. */
  sleep(ms: number): void {
    this.#nowMs += ms
  }

  /** Lets time pass and fires the timers that come due, in order. Settles promises before and after each timer. */
  async advance(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms
    await settled()
    for (;;) {
      const [next] = [...this.#timers].filter(({ atMs }) => atMs <= endMs).sort((a, b) => a.atMs - b.atMs)
      if (!next) break
      this.#timers.delete(next)
      this.#nowMs = Math.max(this.#nowMs, next.atMs)
      next.callback()
      await settled()
    }
    this.#nowMs = endMs
  }
}

/** Resolves when all resolvable promises have settled. */
export const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
