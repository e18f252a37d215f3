/** A clock that advances only when a test advances it. */
import { systemClock, type Clock } from '../../src/clock.js'

interface Timer {
  dueMs: number
  readonly everyMs: number | undefined
  readonly callback: () => void
}

export class FakeClock implements Clock {
  /** So far from the monotonic time that they can't be taken for each other. */
  static readonly BEGINNING_MS = Date.UTC(2026, 0, 1)
  #elapsedMs = 0
  readonly #timers = new Set<Timer>()

  now(): number {
    return FakeClock.BEGINNING_MS + this.#elapsedMs
  }

  monotonic(): number {
    return this.#elapsedMs
  }

  /** The event loop is real: tests wait for its turns. */
  soon(callback: () => void): void {
    systemClock.soon(callback)
  }

  after(ms: number, callback: () => void): () => void {
    return this.#add({ dueMs: this.#elapsedMs + ms, everyMs: undefined, callback })
  }

  every(ms: number, callback: () => void): () => void {
    if (ms <= 0) throw new Error('a clock that never gets on')
    return this.#add({ dueMs: this.#elapsedMs + ms, everyMs: ms, callback })
  }

  keepAwake(): () => void {
    return () => undefined
  }

  #add(timer: Timer): () => void {
    this.#timers.add(timer)
    return () => this.#timers.delete(timer)
  }

  /** How many timers run. */
  get running(): number {
    return this.#timers.size
  }

  /** Lets time pass during which the process is held up: then what has fallen due is called once, late, as Node does. */
  stall(ms: number): void {
    this.#elapsedMs += ms
    const due = [...this.#timers].filter(({ dueMs }) => dueMs <= this.#elapsedMs)
    for (const timer of due.sort((one, other) => one.dueMs - other.dueMs)) {
      if (!this.#timers.has(timer)) continue
      if (timer.everyMs === undefined) this.#timers.delete(timer)
      else timer.dueMs = this.#elapsedMs + timer.everyMs
      timer.callback()
    }
  }

  /** Lets time pass; what falls due is called in its order, at its time. */
  advance(ms: number): void {
    const endMs = this.#elapsedMs + ms
    for (;;) {
      let next: Timer | undefined
      for (const timer of this.#timers) if (timer.dueMs <= endMs && (!next || timer.dueMs < next.dueMs)) next = timer
      if (!next) break
      this.#elapsedMs = Math.max(this.#elapsedMs, next.dueMs)
      if (next.everyMs === undefined) this.#timers.delete(next)
      else next.dueMs += next.everyMs
      next.callback()
    }
    this.#elapsedMs = endMs
  }
}
