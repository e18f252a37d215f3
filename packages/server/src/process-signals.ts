/**
 * The signals of a process of the command, from its first line to its end. The entry file (bin/lastcall.js) listens
 * before anything is loaded. This file decides what a signal does while the process starts, and passes later signals
 * on. It knows no server.
 */
import { SHUTDOWN_SIGNALS, type ShutdownSignal } from './shutdown/signals.js'
import { exitWhenNotStuck } from './stuck-exit.js'

export type ProcessSignal = ShutdownSignal | 'SIGHUP'

/** Calls the listener with every signal, including those that have arrived already. */
export type TakeSignals = (listener: (signal: ProcessSignal) => void) => void

export interface SignalHandlers {
  onShutdown(signal: ShutdownSignal): void
  /** Without this handler, a reload waits for handlers that have it. */
  onReload?(): void
}

/** The calls when a signal ends a start. */
export interface StartListener {
  /** Called first. Default: nothing. */
  readonly onEnd?: (signal: ShutdownSignal) => void
  /**
   * Called before the process kills itself, because a file operation has not ended within `timeoutMs`. Default:
   * nothing.
   */
  readonly onGivenUp?: () => void
  /** Milliseconds. Default: 5,000. */
  readonly timeoutMs?: number
}

const START_END_TIMEOUT_MS = 5_000

const NUMBERS: Readonly<Record<ProcessSignal, number>> = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 }

/** The exit code that a shell reports for a process that a signal has ended. */
const exitCodeOf = (signal: ProcessSignal): number => 128 + NUMBERS[signal]

const isShutdownSignal = (signal: ProcessSignal): signal is ShutdownSignal =>
  SHUTDOWN_SIGNALS.some((each) => each === signal)

export class ProcessSignals {
  readonly #take: TakeSignals
  #isTaken = false
  #handlers: SignalHandlers | undefined
  /** Set during a start. `undefined`: a signal ends the process as it would without a handler. */
  #start: StartListener | undefined
  /** Whether a signal has ended the start, and the process waits for a file operation. */
  #isEnding = false
  /** Whether a reload was requested that no handler could perform yet. */
  #isReloadDue = false

  /** Signals wait until one of the methods below decides what they do. */
  constructor(take: TakeSignals) {
    this.#take = take
  }

  /** A signal ends the process, as it would without a handler. */
  endProcess(): void {
    this.#listen()
  }

  /** A server is starting: a signal for a shutdown ends the process with 0, and a reload follows the start. */
  starting(listener: StartListener = {}): void {
    this.#start = listener
    this.#listen()
  }

  /**
   * Passes all later signals to these handlers. If a reload has been requested before, `onReload` is called at once.
   */
  passTo(handlers: SignalHandlers): void {
    // A signal has ended the start, but the start completed while the process waited for a file operation.
    if (this.#isEnding) process.exit(0)
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
    } else if (!this.#start) {
      process.exit(exitCodeOf(signal))
    } else if (isShutdownSignal(signal)) {
      this.#endStart(this.#start, signal)
    } else {
      this.#reload()
    }
  }

  /** The server has accepted no client and acknowledged no message, so the process may end without a shutdown. */
  #endStart(
    { onEnd, onGivenUp = () => undefined, timeoutMs = START_END_TIMEOUT_MS }: StartListener,
    signal: ShutdownSignal,
  ): void {
    if (this.#isEnding) return
    this.#isEnding = true
    onEnd?.(signal)
    exitWhenNotStuck(timeoutMs, onGivenUp)
  }

  #reload(): void {
    this.#isReloadDue = this.#handlers?.onReload === undefined
    this.#handlers?.onReload?.()
  }
}

/**
 * The handlers of a worker. The primary gets the same signals, for example by Ctrl-C at a terminal, and decides for all
 * workers.
 */
export const IGNORE_SIGNALS: SignalHandlers = { onShutdown: () => undefined, onReload: () => undefined }
