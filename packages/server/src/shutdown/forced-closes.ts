/**
 * The forced closes at the end of a shutdown: which connections are closed at each tick, so that they are spread evenly
 * over the time that is left. Sends nothing and owns no timer.
 */
import { MAX_CLOSES_A_TURN } from '../connections/close-pace.js'
import type { ConnectionManager } from '../connections/connection-manager.js'
import type { Connection } from '../connections/connection.js'
import { closesDue } from './drain-plan.js'

export class ForcedCloses {
  readonly #queue: Iterator<Connection, undefined>
  readonly #endMs: number

  /**
   * @param connections Live: a connection that ends leaves the iterator, too. No new connection is added.
   * @param endMs When all of them are to be closed, by the monotonic clock.
   */
  constructor(connections: Iterator<Connection, undefined>, endMs: number) {
    this.#queue = connections
    this.#endMs = endMs
  }

  /**
   * Closes as many connections as are due now, and at most MAX_CLOSES_A_TURN: after a stall, thousands may be due.
   *
   * @param waiting How many connections the server has not begun to close.
   * @param tickMs How often this is called.
   * @returns whether more are due. The caller calls again in the next turn of the event loop.
   */
  closeDue(nowMs: number, waiting: number, tickMs: number, close: (connection: Connection) => void): boolean {
    const due = closesDue(waiting, this.#endMs - nowMs, tickMs)
    let left = Math.min(due, MAX_CLOSES_A_TURN)
    while (left > 0) {
      const { value: connection } = this.#queue.next()
      if (!connection) return false
      if (connection.serverClose) continue
      close(connection)
      left--
    }
    return due > MAX_CLOSES_A_TURN
  }
}

/** The number of connections that have neither ended nor begun to close. */
export function countWaiting(connections: Pick<ConnectionManager, 'all'>): number {
  let count = 0
  for (const connection of connections.all()) if (!connection.serverClose) count++
  return count
}
