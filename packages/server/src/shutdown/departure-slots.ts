/**
 * The slots of one shutdown: when each connection is asked to leave, and, in mode `migrate`, which connections are closed
 * because their slot has ended. Sends nothing and owns no timer.
 */
import { MAX_CLOSES_A_TURN } from '../connections/close-pace.js'
import type { Connection } from '../connections/connection.js'
import { closesDue, graceMs, slotMs } from './drain-plan.js'

/**
 * A tick that is later than this, in milliseconds, shows that the machine is too busy: clients that have moved in time may
 * not have been read yet, and those that are about to move wait for the other instance as long.
 */
const HELD_UP_MS = 100

export class DepartureSlots {
  /** When the last slot ends, by the monotonic clock. */
  #endMs: number
  readonly #graceMs: number
  /** No connection is closed before: the event loop was held up. */
  #notBeforeMs = -Infinity
  /** By how much all delays together may still put off the end. */
  #delayLeftMs: number
  #tickedAtMs: number | undefined
  /** By their slots. A connection that came later is at the end, whatever its slot: there are few. */
  readonly #order: Connection[]
  #next = 0

  /** Assigns a slot to each connection, the quietest client first, because a move disturbs it least. */
  constructor(connections: Iterable<Connection>, nowMs: number, overMs: number) {
    this.#endMs = nowMs + overMs
    this.#graceMs = graceMs(overMs)
    this.#delayLeftMs = overMs
    this.#order = [...connections].sort((one, other) => one.lastHeardAtMs - other.lastHeardAtMs)
    const count = this.#order.length
    this.#order.forEach((connection, index) => (connection.leaveAtMs = nowMs + slotMs(index, count, overMs)))
  }

  /** Assigns a slot in the remaining time to a connection that was added later. `share`: from 0 to 1. */
  assignLate(connection: Connection, nowMs: number, share: number): void {
    const leftMs = this.#endMs - nowMs
    connection.leaveAtMs = nowMs + share * Math.max(0, leftMs - graceMs(leftMs))
  }

  /**
   * Closes the connections whose slot has ended, never faster than evenly, and at most MAX_CLOSES_A_TURN of them. After a time in which the event loop was held up,
   * the clients get as much time again, one grace at most.
   *
   * @param waiting How many connections are still to leave or to be closed.
   * @param tickMs How often this is called.
   */
  closeEnded(nowMs: number, waiting: number, tickMs: number, close: (connection: Connection) => void): void {
    this.#addDelay(nowMs - (this.#tickedAtMs ?? nowMs) - tickMs, nowMs)
    this.#tickedAtMs = nowMs
    if (nowMs < this.#notBeforeMs) return
    let due = Math.min(closesDue(waiting, this.#endMs - nowMs, tickMs), MAX_CLOSES_A_TURN)
    for (; due > 0; this.#next++) {
      const connection = this.#order[this.#next]
      if (!connection || (connection.leaveAtMs ?? nowMs) + this.#graceMs > nowMs) return
      if (connection.serverClose || !connection.transport.isOpen) continue
      close(connection)
      due--
    }
  }

  #addDelay(lateMs: number, nowMs: number): void {
    if (lateMs < HELD_UP_MS) return
    const untilMs = nowMs + Math.min(lateMs, this.#graceMs)
    const delayMs = Math.min(untilMs - Math.max(nowMs, this.#notBeforeMs), this.#delayLeftMs)
    if (delayMs <= 0) return
    this.#delayLeftMs -= delayMs
    this.#endMs += delayMs
    this.#notBeforeMs = Math.max(nowMs, this.#notBeforeMs) + delayMs
  }
}
