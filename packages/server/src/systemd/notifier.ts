/**
 * What is said to the service manager (sd_notify(3)), in its order, and gathered: one message is under way at a time,
 * and what is said meanwhile waits as one more. Owns the words and the order; how a message gets there is passed in.
 */
import { systemClock, type Clock } from '../clock.js'
import type { Logger } from '../observability/log.js'

/** For whoever serves: this process alone, or the primary of several. Nothing here waits, throws or fails. */
export interface Notifier {
  /** The service is up: at the start, and after `reloading`. */
  ready(): void
  /** A new configuration is being taken; `ready` follows, also when it was not taken. */
  reloading(): void
  /** The service ends. It can't be taken back, so not while a shutdown may still be called off. */
  stopping(): void
  /** One line for `systemctl status`. The newest wins. */
  status(text: string): void
  /**
   * The start, the reload or the stop that is under way may go on for so many milliseconds from now, whatever
   * TimeoutStartSec and TimeoutStopSec say; to be repeated before they are over.
   */
  extendTimeout(ms: number): void
  /** A sign of life, for WatchdogSec. */
  alive(): void
  /** Resolves when all that was said is delivered or has failed, at the latest after so many milliseconds. */
  flush(timeoutMs: number): Promise<void>
}

/** How long the end of a process waits until its last word is delivered. */
export const LAST_WORD_TIMEOUT_MS = 1000

/** Delivers one message, a list of VARIABLE=VALUE. Rejects when it could not. */
export type SendMessage = (assignments: readonly string[]) => Promise<void>

export interface QueuedNotifierOptions {
  readonly send: SendMessage
  readonly log: Logger
  readonly clock?: Clock
  /** CLOCK_MONOTONIC in microseconds, which is what `systemctl reload` compares with. Default: the system's. */
  readonly monotonicUsec?: () => bigint
}

type State = 'READY' | 'RELOADING' | 'STOPPING'

interface Message {
  state?: State
  /** When a reload began. */
  monotonicUsec?: bigint
  status?: string
  extendUsec?: number
  isAlive?: boolean
}

/** As long as anybody reads it; a datagram holds far more. */
const MAX_STATUS_CHARACTERS = 500

export class QueuedNotifier implements Notifier {
  readonly #send: SendMessage
  readonly #log: Logger
  readonly #clock: Clock
  readonly #monotonicUsec: () => bigint
  /** Not under way yet. Never more than the last few states: what was taken back before it was said is not said. */
  readonly #waiting: Message[] = []
  #isSending = false
  #hasFailed = false
  #whenIdle: (() => void)[] = []

  constructor({ send, log, clock = systemClock, monotonicUsec = systemMonotonicUsec }: QueuedNotifierOptions) {
    this.#send = send
    this.#log = log
    this.#clock = clock
    this.#monotonicUsec = monotonicUsec
  }

  ready(): void {
    this.#enter('READY')
  }

  reloading(): void {
    this.#enter('RELOADING').monotonicUsec = this.#monotonicUsec()
  }

  stopping(): void {
    this.#enter('STOPPING')
  }

  status(text: string): void {
    // A line break would begin another assignment, and a tab another argument.
    this.#last().status = text.replace(/\p{Cc}+/gu, ' ').slice(0, MAX_STATUS_CHARACTERS)
  }

  extendTimeout(ms: number): void {
    this.#last().extendUsec = Math.round(ms * 1000)
  }

  alive(): void {
    this.#last().isAlive = true
  }

  flush(timeoutMs: number): Promise<void> {
    if (!this.#isSending) return Promise.resolve()
    return new Promise((resolve) => {
      this.#clock.after(timeoutMs, resolve)
      this.#whenIdle.push(resolve)
    })
  }

  /** The message that waits for its turn. */
  #last(): Message {
    const last = this.#waiting.at(-1)
    if (last) return last
    const message: Message = {}
    this.#waiting.push(message)
    if (!this.#isSending) {
      this.#isSending = true
      // Later: what is said in one turn of the event loop is one message.
      queueMicrotask(() => void this.#sendAll())
    }
    return message
  }

  /** Only the newest state counts in one message, so each gets one of its own. */
  #enter(state: State): Message {
    const last = this.#last()
    if (last.state === undefined || last.state === state) {
      last.state = state
      return last
    }
    const before = this.#waiting.at(-2)
    if (before?.state === state) {
      this.#waiting.pop()
      return Object.assign(before, { ...last, state })
    }
    const message: Message = { state }
    this.#waiting.push(message)
    return message
  }

  async #sendAll(): Promise<void> {
    for (let message = this.#waiting.shift(); message; message = this.#waiting.shift()) {
      try {
        await this.#send(assignments(message))
        this.#hasFailed = false
      } catch (error) {
        if (!this.#hasFailed) this.#log.warn('systemd', { error }, 'the server cannot report its state to systemd')
        this.#hasFailed = true
      }
    }
    this.#isSending = false
    for (const resolve of this.#whenIdle.splice(0)) resolve()
  }
}

function assignments({ state, monotonicUsec, status, extendUsec, isAlive }: Message): string[] {
  return [
    ...(state === undefined ? [] : [`${state}=1`]),
    ...(state === 'RELOADING' && monotonicUsec !== undefined ? [`MONOTONIC_USEC=${monotonicUsec}`] : []),
    ...(status === undefined ? [] : [`STATUS=${status}`]),
    ...(extendUsec === undefined ? [] : [`EXTEND_TIMEOUT_USEC=${extendUsec}`]),
    ...(isAlive ? ['WATCHDOG=1'] : []),
  ]
}

/** Node's is CLOCK_MONOTONIC on Linux. */
const systemMonotonicUsec = (): bigint => process.hrtime.bigint() / 1000n
