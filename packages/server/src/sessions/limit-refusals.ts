/**
 * The refusals that the message limit causes on one connection: how often errors are sent, and when a client that goes on
 * regardless is not read from any more.
 */
import type { Clock } from '../clock.js'

/**
 * The kinds of messages whose refusals are counted apart. A client that sends a refused `subscribe` and an accepted
 * `unsubscribe` in turn ignores the refusals as much as a client that sends only `subscribe`.
 */
export type LimitedKind = 'subscribe' | 'other'

/** After so many refusals of a kind in a row nothing is read until the client may send again. In the protocol. */
const MAX_REFUSALS_IN_A_ROW = 5

/** Messages without an id are answered together, at most once in this time. In the protocol. */
const ERROR_EVERY_MS = 1000

export interface LimitRefusalsOptions {
  /** Sends the error that answers so many messages without an id. */
  readonly answer: (count: number, retryInMs: number) => void
  readonly clock: Clock
}

export class LimitRefusals {
  readonly #options: LimitRefusalsOptions
  readonly #inARow: Record<LimitedKind, number> = { subscribe: 0, other: 0 }
  #lastErrorAtMs = -Infinity
  /** Messages without an id that no error has answered yet. */
  #owed = 0
  #retryAtMs = 0
  #stopWaiting: (() => void) | undefined

  constructor(options: LimitRefusalsOptions) {
    this.#options = options
  }

  /** A message was taken. */
  taken(kind: LimitedKind): void {
    this.#inARow[kind] = 0
  }

  /** A message was refused. `true`: nothing more should be read for now; the count begins anew. */
  refused(kind: LimitedKind): boolean {
    if (++this.#inARow[kind] < MAX_REFUSALS_IN_A_ROW) return false
    this.#inARow[kind] = 0
    return true
  }

  /** Answers a refused message that has no id: at once, or together with others when a second has passed since the last. */
  answer(retryInMs: number): void {
    const { clock } = this.#options
    const now = clock.monotonic()
    this.#owed++
    this.#retryAtMs = now + retryInMs
    if (this.#stopWaiting) return
    const inMs = this.#lastErrorAtMs + ERROR_EVERY_MS - now
    if (inMs <= 0) this.#send()
    else this.#stopWaiting = clock.after(Math.ceil(inMs), () => this.#send())
  }

  #send(): void {
    const { answer, clock } = this.#options
    const now = clock.monotonic()
    const count = this.#owed
    this.#stopWaiting = undefined
    this.#owed = 0
    this.#lastErrorAtMs = now
    answer(count, Math.max(0, Math.ceil(this.#retryAtMs - now)))
  }

  /** The connection has ended. */
  end(): void {
    this.#stopWaiting?.()
    this.#stopWaiting = undefined
  }
}
