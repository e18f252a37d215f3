/**
 * The reasons for which the server refuses a message: the `code` of an `error`. Programs compare these, never the text beside
 * them.
 */

export const ERROR_CODES = [
  /** The frame is not one of the protocol's messages, or a field of it is wrong. */
  'bad_message',
  /** A `type` this server does not know. */
  'unknown_type',
  /** The data is larger than the server can retain. */
  'too_large',
  /** The client exceeded MAX_MESSAGES_PER_MINUTE; `retryInMs` is the time until the server accepts the next message. */
  'rate_limited',
  /** The token does not allow this channel. */
  'forbidden',
  /** A message to a channel that the connection is not subscribed to. */
  'not_subscribed',
  /** The journal did not take the message. With an `id` it is safe to send it again. */
  'journal_unavailable',
  /** The server refused the message named in `after` temporarily: send that one again first. */
  'out_of_order',
  /** The server is closing this connection and accepts nothing more from it. */
  'shutting_down',
  /** A defect of the server. */
  'internal',
] as const

export type ErrorCode = (typeof ERROR_CODES)[number]

const TEMPORARY: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'rate_limited',
  'journal_unavailable',
  'out_of_order',
  'shutting_down',
  'internal',
])

/** Whether the server may accept the same message later. */
export const isTemporary = (code: ErrorCode): boolean => TEMPORARY.has(code)
