/**
 * Why a server could not start: what is known by a code says it itself.
 */
import { LastcallError } from '../errors.js'
import type { Logger } from './log.js'

export function logFailure(error: unknown, log: Logger): void {
  const known = error instanceof LastcallError || (error instanceof Error && 'code' in error)
  log.error('error', { error }, known ? error.message : 'the server could not start')
}
