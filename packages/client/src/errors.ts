/**
 * The errors of the client, each with a code to match.
 */
import type { ConnectionDetails } from './connection-details.js'
import type { ServerErrorCode } from './messages.js'

export type ClientErrorCode =
  | ServerErrorCode
  /** `maxQueue` messages wait for their ack already. The client did not send this one. */
  | 'queue_full'
  /** The client is closed and did not send the message. After a close by the server, `details` has the reason. */
  | 'closed'
  /**
   * The client sent the message and lost the connection before the ack, and it can no longer find out whether the journal
   * contains the message. To publish it again with the same `id` is safe within the server's retained history.
   */
  | 'outcome_unknown'
  /** `maxBuffer` messages waited for a `for await` loop that did not read them. */
  | 'buffer_full'
  /**
   * An attempt to connect failed: the server is unreachable, the path is wrong, the server rejected the client, `token()`
   * failed (see `cause`). `details` contains the time until the next attempt.
   */
  | 'connect_failed'
  /** `store.load()` or `store.save()` failed, or the store contains something that no client saved: see `cause`. */
  | 'store_failed'
  /** A frame that is not of the protocol (see `cause`): is this a lastcall server, and does the option `parse` work? */
  | 'bad_frame'

export class ClientError extends Error {
  readonly code: ClientErrorCode
  /** For `connect_failed`, and for messages that the close of the client rejected: the reason, and what follows. */
  readonly details: ConnectionDetails | undefined

  constructor(code: ClientErrorCode, message: string, cause?: unknown, details?: ConnectionDetails) {
    super(message, { cause })
    this.name = 'ClientError'
    this.code = code
    this.details = details
  }
}
