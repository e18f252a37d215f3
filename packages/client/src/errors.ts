/**
 * The errors of the client, each with a code to match.
 */
import type { ConnectionDetails } from './connection-details.js'
import type { ServerErrorCode } from './messages.js'

export type ClientErrorCode =
  | ServerErrorCode
  /** `maxQueue` messages are waiting already. This one was not sent. */
  | 'queue_full'
  /** The client is closed. The message was not sent. After a close by the server, `details` says why. */
  | 'closed'
  /**
   * The message was sent, the connection was lost before the answer, and the client can no longer find out whether the
   * server took it. To send it again with the same `id` is safe within the server's kept history.
   */
  | 'outcome_unknown'
  /** `maxBuffer` messages waited for a `for await` that did not take them. */
  | 'buffer_full'
  /**
   * An attempt to connect failed: the server is unreachable, the path is wrong, the server rejected the client, `token()`
   * failed (see `cause`). `details` says when the next attempt follows.
   */
  | 'connect_failed'
  /** `store.load()` or `store.save()` failed, or what it loaded was never saved by a client: see `cause`. */
  | 'store_failed'
  /** A frame that is not of the protocol (see `cause`): is this a lastcall server, and does the option `parse` work? */
  | 'bad_frame'

export class ClientError extends Error {
  readonly code: ClientErrorCode
  /** For `connect_failed`, and for messages that the end of the client rejected: why, and what follows. */
  readonly details: ConnectionDetails | undefined

  constructor(code: ClientErrorCode, message: string, cause?: unknown, details?: ConnectionDetails) {
    super(message, { cause })
    this.name = 'ClientError'
    this.code = code
    this.details = details
  }
}
