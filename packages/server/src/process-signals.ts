/**
 * The signals of a process of the command, from its first line to its end. The entry file (bin/lastcall.js) listens before
 * anything is loaded; this decides what a signal does while the process is starting, and passes later ones on. Knows no
 * server.
 */
import { SHUTDOWN_SIGNALS, type ShutdownSignal } from './shutdown/signals.js'

export type ProcessSignal = ShutdownSignal | 'SIGHUP'

/** Has the listener called with all signals, also with those that have come already. */
export type TakeSignals = (listener: (signal: ProcessSignal) => void) => void

export interface SignalHandlers {
  onShutdown(signal: ShutdownSignal): void
  /** Without it a reload waits for handlers that can do it. */
  onReload?(): void
}

const NUMBERS: Readonly<Record<ProcessSignal, number>> = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 }

/** As a shell reports a process that a signal has ended. */
const exitCodeOf = (signal: ProcessSignal): number => 128 + NUMBERS[signal]

const isShutdownSignal = (signal: ProcessSignal): signal is ShutdownSignal =>
  SHUTDOWN_SIGNALS.some((each) => each === signal)

export class ProcessSignals {
  readonly #take: TakeSignals
  #isTaken = false
  #handlers: SignalHandlers | undefined
  /** Called before a start is ended; `undefined`: a signal ends the process as if nobody listened. */
  #onEnd: ((signal: ShutdownSignal) => void) | undefined
  /** Whether a reload was asked for that nobody could do yet. */
  #isReloadDue = false

  /** Until it is said what signals do, they wait. */
  constructor(take: TakeSignals) {
    this.#take = take
  }

  /** A signal ends the process, as if nobody listened. */
  endProcess(): void {
    this.#listen()
  }

  /** A server is starting: a signal for a shutdown ends the process with 0, and a reload follows the start. */
  starting(onEnd: (signal: ShutdownSignal) => void = () => undefined): void {
    this.#onEnd = onEnd
    this.#listen()
  }

  /** From now on these are called; `onReload` at once where a reload has been asked for that nobody could do. */
  passTo(handlers: SignalHandlers): void {
    this.#handlers = handlers
    this.#listen()
    if (this.#isReloadDue) this.#reload()
  }

  #listen(): void {
    if (this.#isTaken) return
    this.#isTaken = true
    this.#take((signal) => this.#hear(signal))
  }

  #hear(signal: ProcessSignal): void {
    if (this.#handlers) {
      if (isShutdownSignal(signal)) this.#handlers.onShutdown(signal)
      else this.#reload()
    } else if (!this.#onEnd) {
      process.exit(exitCodeOf(signal))
    } else if (isShutdownSignal(signal)) {
      // Nobody has been served, and nothing has been acknowledged.
      this.#onEnd(signal)
      process.exit(0)
    } else {
      this.#reload()
    }
  }

  #reload(): void {
    this.#isReloadDue = this.#handlers?.onReload === undefined
    this.#handlers?.onReload?.()
  }
}

/** For a worker: the primary hears the same signals, such as Ctrl-C at a terminal, and decides. */
export const IGNORE_SIGNALS: SignalHandlers = { onShutdown: () => undefined, onReload: () => undefined }
