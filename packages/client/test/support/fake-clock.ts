/**
 * Time that goes on when it is told to.
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

  /** How many calls are still to come. */
  get pending(): number {
    return this.#timers.size
  }

  /** Goes on, and calls nothing: what was due is late. */
  sleep(ms: number): void {
    this.#nowMs += ms
  }

  /** Goes on, and calls whatever is due on the way, in order. What hangs on promises is done before and after. */
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

/** Resolves when all promises have done what they can. */
export const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
