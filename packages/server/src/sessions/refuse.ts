/** The answer to a message that the server does not take. */
import { isTemporary, TEXTS, type ErrorCode } from '@lastcall/protocol'
import type { Connection } from '../connections/connection.js'
import { sessionOf } from './session-state.js'

export interface ErrorDetails {
  readonly id?: string | undefined
  readonly retryInMs?: number | undefined
  /** The number of messages without an id that this error answers, if it is more than one. */
  readonly count?: number | undefined
  /** The refused message is a `subscribe` or `unsubscribe`. No `after` of a later message can name it. */
  readonly isRequest?: boolean | undefined
  /** An English text for developers. The server adds it to the message of the error. */
  readonly detail?: string | undefined
}

/**
 * Sends an error for a message that the server did not take. The server then also refuses messages whose `after` names
 * it.
 */
export function refuse(
  connection: Connection,
  encodeFrame: (text: string) => Buffer,
  code: ErrorCode,
  { id, retryInMs, count, isRequest, detail }: ErrorDetails,
): void {
  const temporary = isTemporary(code)
  if (temporary && !isRequest && id !== undefined) sessionOf(connection)?.refused(id)
  const text = TEXTS[connection.locale].errors[code]
  const message = detail === undefined ? text : `${text} (${detail})`
  connection.send(encodeFrame(JSON.stringify({ type: 'error', code, message, temporary, id, retryInMs, count })))
}
