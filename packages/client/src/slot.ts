/**
 * When a client migrates: the slot that a draining server assigned to it, and its changes when the device sleeps through the
 * slot, or when no instance accepts the client. Pure; a slot belongs to one link.
 */
import type { ShutdownMessage } from './messages.js'
import { delayMs, shareMs, type Bounds } from './reconnect.js'

/**
 * A timer that fires later than this, in milliseconds, was not merely late: the device slept, or the browser suspended the
 * page's timers.
 */
const SLEPT_AFTER_MS = 1000

export class Slot {
  /** The number of failed attempts to migrate. */
  tries = 0
  #atMs = Infinity
  /** A call after this time means that the device slept through the slot. */
  #sleptAtMs = Infinity
  /** When the server closes the remaining connections; 0: no shutdown runs. */
  #deadlineMs = 0

  /** When the slot begins; `Infinity`: the client stays on this link. */
  get atMs(): number {
    return this.#atMs < this.#deadlineMs ? this.#atMs : Infinity
  }

  /**
   * The server announced the slot, or repeated it. The last frame (`closing`) leaves no time for a slot.
   *
   * @param isMigrating A replacement is connecting: the slot has begun already.
   */
  given({ leaveInMs, deadlineInMs }: ShutdownMessage, nowMs: number, isMigrating: boolean): void {
    if (leaveInMs === null) return this.cancelled()
    this.#deadlineMs = nowMs + deadlineInMs
    // The server reminds all clients at the same moment: a client that waits for its next attempt must not change it, or all
    // would connect at once.
    if (isMigrating || (leaveInMs === 0 && this.atMs < Infinity)) return
    this.#atMs = nowMs + leaveInMs
    this.#sleptAtMs = this.#atMs + SLEPT_AFTER_MS
  }

  cancelled(): void {
    this.#atMs = Infinity
    this.#deadlineMs = 0
  }

  /**
   * Whether to migrate now: `true` once. A client that slept through its slot draws another one in the first half of the
   * remaining time, at most `maxDelayMs` away, so that a thousand laptops that wake together do not connect together.
   */
  isDue(nowMs: number, bounds: Bounds): boolean {
    if (nowMs < this.atMs) return false
    const hasSlept = nowMs > this.#sleptAtMs
    this.#sleptAtMs = Infinity
    if (hasSlept) this.#atMs = nowMs + shareMs((this.#deadlineMs - nowMs) / 2, bounds)
    else {
      this.#atMs = Infinity
      this.tries++
    }
    return !hasSlept
  }

  /** No instance accepted the client: it tries again after the wait of a lost connection, and not before the server's hint. */
  again(nowMs: number, bounds: Bounds, hintMs = 0): void {
    this.#atMs = nowMs + Math.max(hintMs, delayMs(this.tries - 1, false, bounds))
  }
}
