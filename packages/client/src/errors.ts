/**
 * What can go wrong, with a code to match.
 */
import type { ServerErrorCode } from './messages.js'

export type ClientErrorCode =
  | ServerErrorCode
  /** `maxQueue` messages are waiting already. It was not sent. */
  | 'queue_full'
  /** The client is closed. It was not sent. */
  | 'closed'
  /**
   * It was sent, the connection was lost before the answer, and whether it was taken can no longer be found out. To send
   * it again with the same `id` is safe within the server's kept history.
   */
  | 'outcome_unknown'
  /** `maxBuffer` messages waited for a `for await` that did not take them. */
  | 'buffer_full'
  /** `token()` failed, or the browser allows no such socket: see `cause`. There will be another attempt. */
  | 'connect_failed'
  /** `store.load()` or `store.save()` threw or rejected: see `cause`. */
  | 'store_failed'
  /** A frame that is not a message of the protocol: is this a lastcall server? */
  | 'bad_frame'

export class ClientError extends Error {
  readonly code: ClientErrorCode

  constructor(code: ClientErrorCode, message: string, cause?: unknown) {
    super(message, { cause })
    this.name = 'ClientError'
    this.code = code
  }
}
