/**
 * Handshakes in the order of their arrival, a bounded time of each turn of the event loop: after a network outage thousands
 * of clients reconnect within one turn, and those that are connected must not wait for all of them.
 */
import type { Clock } from '../clock.js'

/** How long handshakes may hold the event loop at a stretch, in milliseconds. */
const STRETCH_MS = 8

export class HandshakeQueue {
  readonly #clock: Pick<Clock, 'monotonic'>
  #waiting: (() => void)[] = []
  /** When the stretch of this turn ends, by the monotonic clock; `undefined` before the first handshake of a turn. */
  #endsAtMs: number | undefined

  constructor(clock: Pick<Clock, 'monotonic'>) {
    this.#clock = clock
  }

  /** Runs it at once if this turn has time for it and nothing waits before it. */
  add(handshake: () => void): void {
    if (this.#waiting.length > 0 || !this.#hasTime()) this.#waiting.push(handshake)
    else handshake()
  }

  #hasTime(): boolean {
    const now = this.#clock.monotonic()
    if (this.#endsAtMs === undefined) {
      this.#endsAtMs = now + STRETCH_MS
      setImmediate(() => this.#nextTurn())
    }
    return now < this.#endsAtMs
  }

  #nextTurn(): void {
    this.#endsAtMs = undefined
    let count = 0
    while (count < this.#waiting.length && this.#hasTime()) this.#waiting[count++]?.()
    this.#waiting = this.#waiting.slice(count)
  }
}
