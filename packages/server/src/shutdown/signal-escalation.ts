/**
 * The effects of the first, the second and the third signal of one shutdown. A single server and the primary of several workers
 * escalate alike.
 */
import type { Logger } from '../observability/log.js'
import { SHUTDOWN_SIGNALS, type ShutdownSignal } from './signals.js'

export interface SignalEscalationOptions {
  /**
   * The first signal: start a shutdown. One that was requested before continues, because a platform may request it first and
   * then send SIGTERM.
   */
  readonly begin: (signal: ShutdownSignal) => void
  /** The second signal: end the waiting and close the remaining clients. */
  readonly hurry: () => void
  /** The third signal: end the process. */
  readonly endNow: () => void
  readonly log: Logger
}

/** The end of the line that reports the start of a shutdown: the effect of a second signal, when a signal started the shutdown. */
export function secondSignalHint(why: string): string {
  if (!SHUTDOWN_SIGNALS.some((signal) => signal === why)) return ''
  const again = why === 'SIGINT' ? 'press Ctrl-C again' : `send ${why} again`
  return `; ${again} to end the waiting and close all connections`
}

export class SignalEscalation {
  readonly #options: SignalEscalationOptions
  #count = 0

  constructor(options: SignalEscalationOptions) {
    this.#options = options
  }

  handle(signal: ShutdownSignal): void {
    const { begin, hurry, endNow, log } = this.#options
    this.#count++
    if (this.#count === 1) {
      begin(signal)
    } else if (this.#count === 2) {
      log.warn(
        'shutdown.second_signal',
        { signal },
        'the waiting ends: the server closes the remaining connections; a third signal ends the process at once',
      )
      hurry()
    } else {
      log.error('shutdown.closed', { signal }, 'a third signal: the process ends at once')
      log.flush()
      endNow()
    }
  }

  /** The shutdown was cancelled: the next signal is the first one again. */
  reset(): void {
    this.#count = 0
  }
}
