/**
 * The shape that every error has that is answered over HTTP.
 */
import { STATUS_CODES } from 'node:http'

/** Every error, 4xx and 5xx alike, is this object. */
export interface ErrorAnswer {
  readonly statusCode: number
  /** The status in words (RFC 9110): programs match `statusCode`. */
  readonly error: string
  /** What to do instead, for people. */
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
    error: { type: 'string', description: 'The status in words.' },
    message: { type: 'string', description: 'What to do instead.' },
  },
} as const
