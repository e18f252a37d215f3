/**
 * The reason why a server could not start, as one line that says what to do. The log contains a stack only for unknown
 * failures.
 */
import { LastcallError } from '../errors.js'
import type { LogFields, Logger } from './log.js'

/** The variables that a failure may concern. */
export interface FailureContext {
  readonly adminPort?: number | undefined
}

export function logFailure(error: unknown, log: Logger, context: FailureContext = {}): void {
  const { message, ...fields } = explainFailure(error, context)
  log.error('error', fields, message)
}

/** The message of the line, and its fields. Pure. */
export function explainFailure(
  error: unknown,
  { adminPort }: FailureContext,
): LogFields & { readonly message: string } {
  if (error instanceof LastcallError) {
    const { code, message, cause } = error
    const isQuoted = cause instanceof Error && !message.includes(cause.message)
    return { message, code, ...(isQuoted && { cause: cause.message }) }
  }
  if (isListenFailure(error)) {
    const { code, address = '', port } = error
    const variable = port !== undefined && port === adminPort ? 'ADMIN_PORT' : 'PORT'
    const where = port === undefined ? address : `${address}:${String(port)}`
    return { message: `cannot listen on ${where}: ${ADVICE[code](variable)} (${code})`, code, address, port }
  }
  const isSystems = error instanceof Error && 'code' in error
  return { message: isSystems ? error.message : 'the server could not start', error }
}

interface ListenFailure extends Error {
  readonly code: keyof typeof ADVICE
  readonly address?: string
  readonly port?: number
}

/** Advice for each error that the system reports about a port. */
const ADVICE = {
  EADDRINUSE: (variable: string) => `another program uses this port. Stop it, or set ${variable} to another port`,
  EACCES: (variable: string) =>
    `this user may not open the port; ports below 1024 need a privilege. Set ${variable} to a port from 1024 on`,
  EADDRNOTAVAIL: (variable: string) =>
    `this machine has no such address. Set ${variable === 'PORT' ? 'HOST' : 'ADMIN_HOST'} to one of its addresses`,
} as const

function isListenFailure(error: unknown): error is ListenFailure {
  if (!(error instanceof Error) || !('syscall' in error) || !('code' in error)) return false
  // In a worker, node:cluster reports the primary's `bind`.
  return (error.syscall === 'listen' || error.syscall === 'bind') && Object.hasOwn(ADVICE, String(error.code))
}
