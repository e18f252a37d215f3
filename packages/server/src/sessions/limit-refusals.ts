/**
 * The refusals that the message limit causes on one connection: how often the server sends errors, and when it stops
 * reading from a client that ignores them.
 */
import type { Clock } from '../clock.js'

/**
 * The kinds of messages whose refusals are counted separately. Otherwise a client that sends a refused `subscribe` and
 * an accepted `unsubscribe` in turn would never reach the limit.
 */
export type LimitedKind = 'subscribe' | 'other'

/**
 * After this many refusals of one kind in a row, the server reads nothing until the client may send again. PROTOCOL.md
 * states it.
 */
const MAX_REFUSALS_IN_A_ROW = 5

/** The server answers messages without an id together, at most once in this time. PROTOCOL.md states it. */
const ERROR_EVERY_MS = 1000

export interface LimitRefusalsOptions {
  /** Sends the error that answers `count` messages without an id. */
  readonly answer: (count: number, retryInMs: number) => void
  readonly clock: Clock
}

export class LimitRefusals {
  readonly #options: LimitRefusalsOptions
  readonly #inARow: Record<LimitedKind, number> = { subscribe: 0, other: 0 }
  #lastErrorAtMs = -Infinity
  /** The number of refused messages without an id that no error has answered yet. */
  #unanswered = 0
  #retryAtMs = 0
  #stopWaiting: (() => void) | undefined

  constructor(options: LimitRefusalsOptions) {
    this.#options = options
  }

  /** The client's message was accepted, which ends the row of refusals of its kind. */
  taken(kind: LimitedKind): void {
    this.#inARow[kind] = 0
  }

  /** Counts a refusal. Returns whether the server should stop reading for now; the count then begins anew. */
  refused(kind: LimitedKind): boolean {
    if (++this.#inARow[kind] < MAX_REFUSALS_IN_A_ROW) return false
    this.#inARow[kind] = 0
    return true
  }

  /** Answers a refused message without an id: at once, or together with others one second after the previous error. */
  answer(retryInMs: number): void {
    const { clock } = this.#options
    const now = clock.monotonic()
    this.#unanswered++
    this.#retryAtMs = now + retryInMs
    if (this.#stopWaiting) return
    const inMs = this.#lastErrorAtMs + ERROR_EVERY_MS - now
    if (inMs <= 0) this.#send()
    else this.#stopWaiting = clock.after(Math.ceil(inMs), () => this.#send())
  }

  #send(): void {
    const { answer, clock } = this.#options
    const now = clock.monotonic()
    const count = this.#unanswered
    this.#stopWaiting = undefined
    this.#unanswered = 0
    this.#lastErrorAtMs = now
    answer(count, Math.max(0, Math.ceil(this.#retryAtMs - now)))
  }

  /** Cancels the answer that is due, because the connection has ended. */
  end(): void {
    this.#stopWaiting?.()
    this.#stopWaiting = undefined
  }
}
