/**
 * The explanation of a change of the client's state, for the application. Types only.
 */

/** The cause of the present state, and what follows. */
export interface ConnectionDetails {
  /** The close code of the connection that ended; 1006: it ended without a close frame. `undefined`: none ended. */
  readonly code: number | undefined
  /** The reason for people: from the close frame, or from the WebSocket. May be empty. */
  readonly reason: string
  /** The number of attempts since the last stable connection, with the failed one or the one that is due. */
  readonly attempt: number
  /** Milliseconds until the next attempt; `undefined`: none is due. */
  readonly nextAttemptInMs: number | undefined
}
