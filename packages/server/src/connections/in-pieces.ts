/** Work on many connections that yields between its pieces. */
import type { Task } from '../sliced-tasks.js'
import type { Connection } from './connection.js'

/** The number of connections that are served between two checks of the time. */
export const CONNECTIONS_A_PIECE = 64

/** A task that calls `action` for each of these connections, 64 in a piece. */
export function inPieces(
  connections: readonly Connection[],
  action: (connection: Connection) => void,
  onEnd?: () => void,
): Task {
  let next = 0
  return () => {
    for (const connection of connections.slice(next, (next += CONNECTIONS_A_PIECE))) action(connection)
    if (next < connections.length) return true
    onEnd?.()
    return false
  }
}
