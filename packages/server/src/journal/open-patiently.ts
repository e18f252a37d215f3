/**
 * Opens a journal whose server may not be reachable yet, and tries until it is, because servers and their journals are
 * often started together. An error that a retry cannot solve ends the attempts at once.
 */
import { LastcallError } from '../errors.js'
import type { Logger } from '../observability/log.js'
import { ReconnectBackoff } from './reconnect-backoff.js'

export interface PatienceOptions {
  readonly log: Logger
  /** Ends the attempts. */
  readonly signal: AbortSignal
  /** The wait has begun or ended. */
  readonly onWaiting?: ((isWaiting: boolean) => void) | undefined
}

/**
 * @param open Makes one attempt.
 * @throws {LastcallError} The permanent error of `open`; or `journal_unavailable`: the signal was aborted.
 */
export async function openPatiently<Opened>(
  open: () => Promise<Opened>,
  { log, signal, onWaiting }: PatienceOptions,
): Promise<Opened> {
  const backoff = new ReconnectBackoff()
  let reason: LastcallError | undefined
  const isGivenUp = (): boolean => signal.aborted
  while (!isGivenUp()) {
    try {
      const opened = await open()
      if (reason) {
        log.info('journal.available', 'the journal can be reached: the server starts')
        onWaiting?.(false)
      }
      return opened
    } catch (error) {
      if (isGivenUp()) break
      if (!(error instanceof LastcallError) || !error.temporary) throw error
      // One line is logged per reason, so that an outage of an hour does not write thousands of lines.
      if (reason?.message !== error.message) {
        log.error(
          'journal.unavailable',
          { error },
          `${error.message}; the server starts as soon as the journal can be reached`,
        )
      }
      if (!reason) onWaiting?.(true)
      reason = error
      await backoff.wait(signal)
    }
  }
  throw new LastcallError('journal_unavailable', 'the server was stopped before its journal could be reached', {
    temporary: true,
    cause: reason,
  })
}
