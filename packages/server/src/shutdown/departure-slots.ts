/**
 * The slots of one shutdown: when each connection is asked to leave, and, in mode `migrate`, which connections are closed
 * because their slot has ended. Sends nothing and owns no timer.
 */
import type { Connection } from '../connections/connection.js'
import { closesDue, graceMs, slotMs } from './drain-plan.js'

export class DepartureSlots {
  /** When the last slot ends, by the monotonic clock. */
  readonly #endMs: number
  readonly #graceMs: number
  /** By their slots. A connection that came later is at the end, whatever its slot: there are few. */
  readonly #order: Connection[]
  #next = 0

  /** Assigns a slot to each connection, the quietest client first, because a move disturbs it least. */
  constructor(connections: Iterable<Connection>, nowMs: number, overMs: number) {
    this.#endMs = nowMs + overMs
    this.#graceMs = graceMs(overMs)
    this.#order = [...connections].sort((one, other) => one.lastHeardAtMs - other.lastHeardAtMs)
    const count = this.#order.length
    this.#order.forEach((connection, index) => (connection.leaveAtMs = nowMs + slotMs(index, count, overMs)))
  }

  /** Assigns a slot in the time that is left to a connection that came after the others. `share`: from 0 to 1. */
  assignLate(connection: Connection, nowMs: number, share: number): void {
    const leftMs = this.#endMs - nowMs
    connection.leaveAtMs = nowMs + share * Math.max(0, leftMs - graceMs(leftMs))
  }

  /**
   * Closes the connections whose slot has ended, never faster than evenly.
   *
   * @param waiting How many connections are still to leave or to be closed.
   * @param tickMs How often this is called.
   */
  closeEnded(nowMs: number, waiting: number, tickMs: number, close: (connection: Connection) => void): void {
    let due = closesDue(waiting, this.#endMs - nowMs, tickMs)
    for (; due > 0; this.#next++) {
      const connection = this.#order[this.#next]
      if (!connection || (connection.leaveAtMs ?? nowMs) + this.#graceMs > nowMs) return
      if (connection.serverClose || !connection.transport.isOpen) continue
      close(connection)
      due--
    }
  }
}
