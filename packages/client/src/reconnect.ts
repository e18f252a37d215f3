/**
 * Whether to come back, and when. Pure.
 */

/** `no`: not again. `yes`: soon. `later`: after a pause. `new-token`: with another token. */
export type ComeBack = 'no' | 'yes' | 'later' | 'new-token'

const COME_BACK: Readonly<Record<number, ComeBack>> = {
  1000: 'no',
  1003: 'no',
  1007: 'no',
  1008: 'new-token',
  1009: 'no',
  1011: 'later',
  1012: 'later',
  1013: 'later',
  4001: 'no',
  4009: 'no',
}

/** What a close code asks for. Codes not listed (1006 above all): `yes`. */
export const comeBackAfter = (code: number): ComeBack => COME_BACK[code] ?? 'yes'

export interface Bounds {
  readonly minDelayMs: number
  readonly maxDelayMs: number
  /** 0 ≤ x < 1. */
  readonly random: () => number
}

/** `later` waits as the fourth attempt does, and at least half of that. */
const LATER_ATTEMPT = 3

/**
 * Milliseconds until the next attempt: exponential, with full jitter, so that a thousand clients that were cut off
 * together don't come back together.
 *
 * @param attempt 0: the first one.
 */
export function delayMs(attempt: number, isLater: boolean, { minDelayMs, maxDelayMs, random }: Bounds): number {
  const bound = Math.min(maxDelayMs, minDelayMs * 2 ** (isLater ? Math.max(attempt, LATER_ATTEMPT) : attempt))
  return isLater ? (bound + random() * bound) / 2 : random() * bound
}
