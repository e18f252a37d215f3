/**
 * Why a message was not taken: the `code` of an `error`. Programs match these, never the text beside them.
 */

export const ERROR_CODES = [
  /** Not one of the protocol's messages, or a field of it is wrong. */
  'bad_message',
  /** A `type` this server does not know. */
  'unknown_type',
  /** The data does not fit into what is kept. */
  'too_large',
  /** More than MAX_MESSAGES_PER_MINUTE; `retryInMs` says when the next one will be taken. */
  'rate_limited',
  /** The token does not allow this channel. */
  'forbidden',
  /** A message to a channel that the connection is not subscribed to. */
  'not_subscribed',
  /** It could not be written down. With an `id` it is safe to send it again. */
  'journal_unavailable',
  /** The message named in `after` was not taken for now: send that one again first. */
  'out_of_order',
  /** The server is closing this connection and takes nothing more from it. */
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

/** Whether the same message may be taken later. */
export const isTemporary = (code: ErrorCode): boolean => TEMPORARY.has(code)
