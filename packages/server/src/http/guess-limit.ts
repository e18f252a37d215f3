/**
 * The limit on guesses at a secret, for each client address. Pure but for the time that it is given.
 */
import { networkOf } from '../address-network.js'

/** So many wrong guesses are answered; until the minute is over the rest are told to come later. */
const MAX_GUESSES = 20
const WINDOW_MS = 60_000

/** The most addresses that are remembered; beyond that the oldest are forgotten. */
const MAX_ADDRESSES = 10_000

interface Guesses {
  readonly sinceMs: number
  count: number
}

export interface Guess {
  /** 0: it may be answered; otherwise milliseconds until the next one is. */
  readonly retryInMs: number
  /** Whether it is the first one of its window, or the first one beyond the limit: a log is bounded, too. */
  readonly isWorthALine: boolean
}

export class GuessLimit {
  /** The oldest window first. */
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
