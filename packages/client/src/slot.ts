/**
 * When a client moves on: the slot that a server which shuts down gave it, and what becomes of it when it is slept
 * through, or when nobody takes the client in. Pure; a slot belongs to one link.
 */
import type { ShutdownMessage } from './messages.js'
import { delayMs, shareMs, type Bounds } from './reconnect.js'

/** A timer that comes later than this was not late: the device slept, or the page's timers did. */
const SLEPT_AFTER_MS = 1000

export class Slot {
  /** How often the client has set out. */
  tries = 0
  #atMs = Infinity
  /** Later than this it has been slept through. */
  #sleptAtMs = Infinity
  /** When whoever is left is closed; 0: there is nothing to leave for. */
  #deadlineMs = 0

  /** When it begins; `Infinity`: the client stays where it is. */
  get atMs(): number {
    return this.#atMs < this.#deadlineMs ? this.#atMs : Infinity
  }

  /** The server has told its turn, or told it again. In its last words (`closing`) no time is left, and so no turn. */
  given({ leaveInMs, deadlineInMs }: ShutdownMessage, nowMs: number): void {
    if (leaveInMs === null) return this.cancelled()
    this.#deadlineMs = nowMs + deadlineInMs
    // Everybody is reminded at the same moment: whoever waits for another try goes on waiting, or all would try at once.
    if (leaveInMs === 0 && this.atMs < Infinity) return
    this.#atMs = nowMs + leaveInMs
    this.#sleptAtMs = this.#atMs + SLEPT_AFTER_MS
  }

  cancelled(): void {
    this.#atMs = Infinity
    this.#deadlineMs = 0
  }

  /**
   * Whether to set out now: answered with `true` once. Who has slept through its slot draws another one in the first
   * half of what is left, at most `maxDelayMs` away: a thousand laptops that are opened together don't come together.
   */
  isDue(nowMs: number, bounds: Bounds): boolean {
    if (nowMs < this.atMs) return false
    const hasSlept = nowMs > this.#sleptAtMs
    this.#sleptAtMs = Infinity
    if (hasSlept) this.#atMs = nowMs + shareMs((this.#deadlineMs - nowMs) / 2, 0, bounds)
    else {
      this.#atMs = Infinity
      this.tries++
    }
    return !hasSlept
  }

  /** Nobody took the client in: it tries again after the wait that it would also make after a lost connection. */
  again(nowMs: number, bounds: Bounds): void {
    this.#atMs = nowMs + delayMs(this.tries - 1, false, bounds)
  }
}
