/**
 * Whether and when to reconnect. Pure, except for the random number of each wait.
 */

import type { ConnectionDetails } from './connection-details.js'
import { systemRandom } from './randomness.js'

/** `no`: do not reconnect. `yes`: soon. `later`: after a longer wait. `new-token`: with another token. */
export type ComeBack = 'no' | 'yes' | 'later' | 'new-token'

const NEVER = [1000, 1003, 1007, 1009, 4001, 4009]

/** The reaction to a close code. Codes not listed (1006 above all): `yes`. */
export function comeBackAfter(code: number): ComeBack {
  if (NEVER.includes(code)) return 'no'
  if (code === 1008) return 'new-token'
  return code >= 1011 && code <= 1013 ? 'later' : 'yes'
}

/** Options of the client: see options.ts. */
export interface Bounds {
  readonly minDelayMs?: number | undefined
  readonly maxDelayMs?: number | undefined
  readonly random?: (() => number) | undefined
}

/** A random share of `ms`, or of `maxDelayMs` if that is less. */
export const shareMs = (ms: number, { maxDelayMs = 30_000, random = systemRandom }: Bounds): number =>
  Math.min(ms, maxDelayMs) * random()

/** `later` waits as the fourth attempt does, and at least half of what that one may wait. */
const LATER_ATTEMPT = 3

/**
 * Milliseconds until the next attempt: base/2 + random(0, base/2 · 2ⁿ) with base = `minDelayMs`, at most `maxDelayMs`.
 * Because of the fixed half, the first attempts do not all fail before a restarted server listens again; the random rest
 * spreads a thousand clients that were disconnected together.
 *
 * @param attempt n: 0 for the first one.
 */
export function delayMs(attempt: number, isLater: boolean, { minDelayMs = 1000, ...bounds }: Bounds): number {
  const { maxDelayMs = 30_000, random = systemRandom } = bounds
  const halfMs = Math.min(minDelayMs / 2, maxDelayMs)
  const spreadMs = Math.min(halfMs * 2 ** (isLater ? Math.max(attempt, LATER_ATTEMPT) : attempt), maxDelayMs - halfMs)
  return halfMs + spreadMs * (isLater ? 0.5 + random() / 2 : random())
}

/** The longest wait that a server's hint can request, in milliseconds. */
const MAX_HINT_MS = 600_000

/**
 * When the next attempt is due, and the number of attempts. A server's hint takes precedence over the backoff; only the
 * fixed half of the backoff stays from the second attempt on, so that a hint of 0 cannot make a client reconnect without
 * a pause.
 */
export class Reconnect {
  readonly #bounds: Bounds
  /** When the next attempt is due; `Infinity`: none. */
  atMs = Infinity
  /** Attempts since the last stable connection. */
  attempts = 0

  constructor(bounds: Bounds) {
    this.#bounds = bounds
  }

  /**
   * @param hintMs The wait that the server requested, if it did.
   * @returns Milliseconds until the next attempt.
   */
  schedule(nowMs: number, isLater: boolean, hintMs: number | undefined): number {
    const { minDelayMs = 1000 } = this.#bounds
    const leastMs = this.attempts > 0 ? minDelayMs / 2 : 0
    const waitMs =
      hintMs === undefined
        ? delayMs(this.attempts, isLater, this.#bounds)
        : Math.max(leastMs, Math.min(hintMs, MAX_HINT_MS))
    this.attempts++
    this.atMs = nowMs + waitMs
    return waitMs
  }

  /** How a connection ended and what follows, for the application. */
  details(code?: number, reason = '', nextAttemptInMs?: number): ConnectionDetails {
    return { code, reason, attempt: this.attempts, nextAttemptInMs }
  }
}
