/**
 * The forced closes at the end of a shutdown: which connections are closed at each tick, so that they are spread evenly
 * over the time that is left. Sends nothing and owns no timer.
 */
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
   * Closes as many connections as are due now.
   *
   * @param waiting How many connections the server has not begun to close.
   * @param tickMs How often this is called.
   */
  closeDue(nowMs: number, waiting: number, tickMs: number, close: (connection: Connection) => void): void {
    let due = closesDue(waiting, this.#endMs - nowMs, tickMs)
    while (due > 0) {
      const { value: connection } = this.#queue.next()
      if (!connection) return
      if (connection.serverClose) continue
      close(connection)
      due--
    }
  }
}
