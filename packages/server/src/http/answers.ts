/**
 * The body of every error that the server answers over HTTP.
 */
import { STATUS_CODES } from 'node:http'

/** Every error, 4xx and 5xx alike, is this object. */
export interface ErrorAnswer {
  readonly statusCode: number
  /** The reason phrase of the status (RFC 9110). Programs compare `statusCode`. */
  readonly error: string
  /** Tells a person what to do. */
  readonly message: string
}

export const errorAnswer = (statusCode: number, message: string): ErrorAnswer => ({
  statusCode,
  error: STATUS_CODES[statusCode] ?? 'Error',
  message,
})

export const ERROR_ANSWER_SCHEMA = {
  type: 'object',
  required: ['statusCode', 'error', 'message'],
  additionalProperties: false,
  properties: {
    statusCode: { type: 'integer' },
    error: { type: 'string', description: 'The reason phrase of the status.' },
    message: { type: 'string', description: 'What the sender of the request can do.' },
  },
} as const
