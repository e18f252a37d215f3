/**
 * Whether to come back, and when. Pure.
 */

/** `no`: not again. `yes`: soon. `later`: after a pause. `new-token`: with another token. */
export type ComeBack = 'no' | 'yes' | 'later' | 'new-token'

const NEVER = [1000, 1003, 1007, 1009, 4001, 4009]

/** What a close code asks for. Codes not listed (1006 above all): `yes`. */
export function comeBackAfter(code: number): ComeBack {
  if (NEVER.includes(code)) return 'no'
  if (code === 1008) return 'new-token'
  return code >= 1011 && code <= 1013 ? 'later' : 'yes'
}

/** Options of the client: see there. */
export interface Bounds {
  readonly minDelayMs?: number | undefined
  readonly maxDelayMs?: number | undefined
  readonly random?: (() => number) | undefined
}

/** A random share of so many milliseconds, at least this one, or of `maxDelayMs` if that is less. */
export const shareMs = (ms: number, least: number, { maxDelayMs = 30_000, random = Math.random }: Bounds): number =>
  Math.min(ms, maxDelayMs) * (least + (1 - least) * random())

/** `later` waits as the fourth attempt does, and at least half of that. */
const LATER_ATTEMPT = 3

/**
 * Milliseconds until the next attempt: exponential, with full jitter, so that a thousand clients that were cut off
 * together don't come back together.
 *
 * @param attempt 0: the first one.
 */
export function delayMs(attempt: number, isLater: boolean, bounds: Bounds): number {
  const { minDelayMs = 1000 } = bounds
  if (isLater) attempt = Math.max(attempt, LATER_ATTEMPT)
  return shareMs(minDelayMs * 2 ** attempt, isLater ? 0.5 : 0, bounds)
}
