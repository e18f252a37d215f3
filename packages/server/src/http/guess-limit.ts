/**
 * The limit on guesses at a secret, for each client address. Pure: time is a parameter.
 */
import { networkOf } from '../address-network.js'

/** Wrong guesses per minute and address. Beyond this number the server answers 429 until the minute ends. */
const MAX_GUESSES = 20
const WINDOW_MS = 60_000

/** The number of addresses that the limit stores. Beyond it the oldest are dropped. */
const MAX_ADDRESSES = 10_000

interface Guesses {
  readonly sinceMs: number
  count: number
}

export interface Guess {
  /** 0: the server may answer the guess. Otherwise the milliseconds until it may answer the next one. */
  readonly retryInMs: number
  /** Whether the guess deserves a log line: the first one of its window, and the first one beyond the limit. */
  readonly isWorthALine: boolean
}

export class GuessLimit {
  /** Windows by address, the oldest first. */
  readonly #byAddress = new Map<string, Guesses>()

  /** Counts a wrong guess. */
  take(address: string | undefined, nowMs: number): Guess {
    const key = networkOf(address)
    const known = this.#byAddress.get(key)
    if (known && nowMs - known.sinceMs < WINDOW_MS) {
      known.count++
      const isOver = known.count > MAX_GUESSES
      return {
        retryInMs: isOver ? known.sinceMs + WINDOW_MS - nowMs : 0,
        isWorthALine: known.count === MAX_GUESSES + 1,
      }
    }
    this.#byAddress.delete(key)
    const [oldest] = this.#byAddress.keys()
    if (this.#byAddress.size >= MAX_ADDRESSES && oldest !== undefined) this.#byAddress.delete(oldest)
    this.#byAddress.set(key, { sinceMs: nowMs, count: 1 })
    return { retryInMs: 0, isWorthALine: true }
  }
}
