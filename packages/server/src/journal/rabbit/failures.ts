/**
 * The meaning of an error of the server or of its connection, and what an operator can do. The messages never contain
 * the password.
 */
import { LastcallError } from '../../errors.js'
import type { RabbitAddress } from './address.js'

/** An error that a retry does not solve, with a sentence that says what to do. */
interface Verdict {
  matches(error: Problem): boolean
  advice(address: RabbitAddress): string
}

interface Problem {
  /** A number of AMQP or a text of Node. */
  readonly code: unknown
  readonly message: string
}

const TLS_CODES = /^(?:ERR_TLS_|ERR_SSL_|CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_)/

/** The first one that matches counts. */
const VERDICTS: readonly Verdict[] = [
  {
    matches: ({ code }) => typeof code === 'string' && TLS_CODES.test(code),
    advice: () => 'its certificate cannot be verified; ca=FILE in the URL names the certificates to trust',
  },
  {
    matches: ({ message }) => message.startsWith('Handshake terminated by server: 403'),
    advice: ({ username }) => `it refuses the user ${username}: the name or the password is wrong`,
  },
  {
    // The driver does not report the server's reason (530 NOT_ALLOWED).
    matches: ({ message }) => message.includes('Expected ConnectionOpenOk; got <ConnectionClose'),
    advice: ({ vhost, username }) => `the virtual host ${vhost} does not exist, or the user ${username} may not use it`,
  },
  {
    matches: ({ code }) => code === 403,
    advice: ({ queue, username }) =>
      `the user ${username} needs the permissions "configure" and "read" on the queue ${queue} and "write" on the exchange amq.default`,
  },
  {
    matches: ({ code, message }) => code === 406 && message.includes('inequivalent arg'),
    advice: ({ queue }) =>
      `the queue ${queue} exists and is not a stream that can be used: delete it, or name another one with queue=NAME in the URL`,
  },
  {
    matches: ({ code, message }) => code === 540 || (code === 406 && message.includes('x-queue-type')),
    advice: () =>
      'it has no stream queues: RabbitMQ 3.9 or newer is needed, with the feature flag stream_queue enabled',
  },
]

/** Turns a thrown value of any type into an error. A connection can end without a reason. */
export const asError = (reason: unknown): Error =>
  reason instanceof Error ? reason : new Error('the connection ended', { cause: reason })

/** The error that ends a start: `journal_unusable` if waiting does not help, and otherwise `journal_unavailable`. */
export function explain(cause: unknown, address: RabbitAddress): LastcallError {
  if (cause instanceof LastcallError) return cause
  const problem = problemOf(cause)
  const verdict = VERDICTS.find((each) => each.matches(problem))
  if (!verdict) return unavailable(cause, address)
  const text = `${placeOf(address)}: ${verdict.advice(address)} (${problem.message})`
  return new LastcallError('journal_unusable', text, { cause })
}

/**
 * The error for an append during an outage. It is always temporary, because an operator can solve the problem while the
 * server runs.
 */
export function unavailable(cause: unknown, address: RabbitAddress): LastcallError {
  if (cause instanceof LastcallError && cause.code === 'journal_unavailable') return cause
  const { message } = cause instanceof LastcallError ? cause : problemOf(cause)
  const text = cause instanceof LastcallError ? message : `${placeOf(address)}: ${message}`
  return new LastcallError('journal_unavailable', text, { temporary: true, cause })
}

const placeOf = ({ hostname, port }: RabbitAddress): string => `RabbitMQ at ${hostname}:${port}`

function problemOf(cause: unknown): Problem {
  // An attempt at several addresses fails with an error that contains theirs and has no message of its own.
  const error = asError(cause instanceof AggregateError ? cause.errors[0] : cause)
  return { code: 'code' in error ? error.code : undefined, message: error.message }
}
