/**
 * The notifications to the service manager (sd_notify(3)), in their order. One message is under way at a time; states that are
 * reported meanwhile wait in one more message. Owns the contents and the order; the delivery of a message is passed in.
 */
import { systemClock, type Clock } from '../clock.js'
import type { Logger } from '../observability/log.js'

/** Used by a single process, or by the primary of several workers. No method waits, throws or fails. */
export interface Notifier {
  /** The service is up. Sent at the start, and after `reloading`. */
  ready(): void
  /** A reload has started. `ready` follows, also when the reload failed. */
  reloading(): void
  /** The service ends. systemd has no message that takes this back, so it is not sent while a shutdown may still be cancelled. */
  stopping(): void
  /** One line for `systemctl status`. The newest one replaces the others. */
  status(text: string): void
  /**
   * Lets the present start, reload or stop take this many milliseconds from now, beyond TimeoutStartSec and TimeoutStopSec. The
   * caller repeats it before that time has passed.
   */
  extendTimeout(ms: number): void
  /** A sign of life, for WatchdogSec. */
  alive(): void
  /** Resolves when all messages are delivered or have failed, at the latest after this many milliseconds. */
  flush(timeoutMs: number): Promise<void>
}

/** How long the end of a process waits for the delivery of its last message. */
export const LAST_WORD_TIMEOUT_MS = 1000

/** Delivers one message, a list of VARIABLE=VALUE. Rejects when the delivery fails. */
export type SendMessage = (assignments: readonly string[]) => Promise<void>

export interface QueuedNotifierOptions {
  readonly send: SendMessage
  readonly log: Logger
  readonly clock?: Clock
  /** CLOCK_MONOTONIC in microseconds, as `systemctl reload` compares it. Default: the system's clock. */
  readonly monotonicUsec?: () => bigint
}

type State = 'READY' | 'RELOADING' | 'STOPPING'

interface Message {
  state?: State
  /** The start of the last reload. */
  monotonicUsec?: bigint
  status?: string
  extendUsec?: number
  isAlive?: boolean
}

/** The limit of a status line, for its readers; a datagram could hold far more. */
const MAX_STATUS_CHARACTERS = 500

export class QueuedNotifier implements Notifier {
  readonly #send: SendMessage
  readonly #log: Logger
  readonly #clock: Clock
  readonly #monotonicUsec: () => bigint
  /** Messages that are not under way yet: at most the last few states. A state that is replaced before its delivery is dropped. */
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

  /** The last waiting message. */
  #last(): Message {
    const last = this.#waiting.at(-1)
    if (last) return last
    const message: Message = {}
    this.#waiting.push(message)
    if (!this.#isSending) {
      this.#isSending = true
      // Not at once, so that all reports of one turn of the event loop form one message.
      queueMicrotask(() => void this.#sendAll())
    }
    return message
  }

  /** A message carries one state only, because systemd obeys the last one in it. Each state gets its own message. */
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

/** Node's monotonic clock is CLOCK_MONOTONIC on Linux. */
const systemMonotonicUsec = (): bigint => process.hrtime.bigint() / 1000n
