/**
 * Explains to the application why the client is connected or not, and what follows. Types only.
 */

/** Why the state is as it is, and what follows. */
export interface ConnectionDetails {
  /** The close code of the connection that ended; 1006: it ended without one. `undefined`: none ended. */
  readonly code: number | undefined
  /** Why it ended, for people: the reason of the close frame, or what the WebSocket said. May be empty. */
  readonly reason: string
  /** How many attempts there were since the last connection that lasted: the failed one, or the one that is due. */
  readonly attempt: number
  /** Milliseconds until the next attempt; `undefined`: none is due. */
  readonly nextAttemptInMs: number | undefined
}
