/**
 * When a client moves to another instance: the slot that a server which shuts down gave it, and what becomes of the slot
 * when the device sleeps through it, or when no instance lets the client in. Pure; a slot belongs to one link.
 */
import type { ShutdownMessage } from './messages.js'
import { delayMs, shareMs, type Bounds } from './reconnect.js'

/** A timer that comes later than this was not late: the device slept, or the page's timers did. */
const SLEPT_AFTER_MS = 1000

export class Slot {
  /** How often the client has tried to move. */
  tries = 0
  #atMs = Infinity
  /** A call after this comes from a device that slept through the slot. */
  #sleptAtMs = Infinity
  /** When the server closes the connections that are left; 0: no shutdown is under way. */
  #deadlineMs = 0

  /** When it begins; `Infinity`: the client stays where it is. */
  get atMs(): number {
    return this.#atMs < this.#deadlineMs ? this.#atMs : Infinity
  }

  /** The server announced the slot, or repeated it. The last frame (`closing`) leaves no time, and so no slot. */
  given({ leaveInMs, deadlineInMs }: ShutdownMessage, nowMs: number): void {
    if (leaveInMs === null) return this.cancelled()
    this.#deadlineMs = nowMs + deadlineInMs
    // The server reminds all clients at the same moment: a client that waits for another try goes on waiting, or all would try at once.
    if (leaveInMs === 0 && this.atMs < Infinity) return
    this.#atMs = nowMs + leaveInMs
    this.#sleptAtMs = this.#atMs + SLEPT_AFTER_MS
  }

  cancelled(): void {
    this.#atMs = Infinity
    this.#deadlineMs = 0
  }

  /**
   * Whether to move now: `true` once. A client that slept through its slot draws another one in the first half of the
   * time that is left, at most `maxDelayMs` away: a thousand laptops that are opened together do not connect together.
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

  /**
   * No instance let the client in: it tries again after the wait that it would also make after a lost connection, and not
   * before the server's hint.
   */
  again(nowMs: number, bounds: Bounds, hintMs = 0): void {
    this.#atMs = nowMs + Math.max(hintMs, delayMs(this.tries - 1, false, bounds))
  }
}
