/**
 * The arithmetic of a drain, pure: when reminders are due, when forced closes must begin, and how many are due now.
 */
import { MAX_CLOSES_PER_SECOND } from '../connections/close-pace.js'

/** Seconds before the deadline at which all clients are reminded, besides half time. */
const REMINDERS_BEFORE_SECONDS = [300, 60, 10] as const

/** Reminders that are closer together than this, in milliseconds, become one. */
const REMINDER_DISTANCE_MS = 2000

/**
 * When reminders are due, in milliseconds after the beginning, ascending: at half time, then 5 min, 1 min and 10 s before
 * the deadline, as far as they lie in the second half.
 */
export function reminderTimes(timeoutMs: number): number[] {
  const times = [timeoutMs / 2]
  for (const seconds of REMINDERS_BEFORE_SECONDS) {
    const time = timeoutMs - seconds * 1000
    if (time >= (times[times.length - 1] as number) + REMINDER_DISTANCE_MS) times.push(time)
  }
  return timeoutMs >= REMINDER_DISTANCE_MS ? times : []
}

/** The largest share of the timeout that forced closes may take. */
const MAX_CLOSING_SHARE = 0.5

/**
 * How long before the deadline the forced closes begin, in milliseconds: long enough to pace them, and never more than half of
 * the time that clients were promised.
 */
export function closingTimeMs(remaining: number, timeoutMs: number): number {
  return Math.min((remaining / MAX_CLOSES_PER_SECOND) * 1000, timeoutMs * MAX_CLOSING_SHARE)
}

/**
 * How many closes are due now: *remaining ÷ time left*, for one tick. Each tick computes it anew: connections that end by
 * themselves lower the rate, and a late tick catches up. Without time left: all. The caller spreads them over turns.
 */
export function closesDue(remaining: number, timeLeftMs: number, tickMs: number): number {
  if (timeLeftMs <= tickMs) return remaining
  return Math.min(remaining, Math.ceil((remaining * tickMs) / timeLeftMs))
}

/**
 * The part of the spread that a client has for its migration, before mode `migrate` closes it. A busy machine needs more than
 * a second for a handshake; of a short spread the grace takes half at most.
 */
const GRACE_SHARE = 0.05
const MIN_GRACE_MS = 1500
const MAX_GRACE_MS = 2000

/** The longest default spread, in milliseconds. */
const DEFAULT_SPREAD_MS = 30_000

/** The time over which slots are spread, in milliseconds: the configured one, or the smaller of 30 s and half the timeout. */
export const spreadMs = (asked: number | undefined, timeoutMs: number): number =>
  asked === undefined ? Math.min(DEFAULT_SPREAD_MS, timeoutMs / 2) : Math.min(asked, timeoutMs)

/** How long after the start of its slot a client is closed in mode `migrate`, in milliseconds. */
export const graceMs = (overMs: number): number =>
  Math.min(overMs / 2, MAX_GRACE_MS, Math.max(MIN_GRACE_MS, overMs * GRACE_SHARE))

/** The start of the slot of client `index` (from 0) out of `count`: evenly spread, so that the grace of the last one fits in. */
export const slotMs = (index: number, count: number, overMs: number): number =>
  (index / count) * (overMs - graceMs(overMs))

export interface ReturnPlan {
  /** The number of clients that return. */
  readonly count: number
  /** When the last one of them is closed, by the monotonic clock. */
  readonly endMs: number
  /** How long it then takes until the server listens again, in milliseconds. */
  readonly restartTimeMs: number
  /** From 0 to 1. */
  readonly random: () => number
}

/**
 * When a client that is closed now should return, in milliseconds from now: after the restart, which begins when the last
 * client is closed, and then at a random time, so that on average 1,000 clients return per second.
 */
export const returnTimes =
  ({ count, endMs, restartTimeMs, random }: ReturnPlan) =>
  (nowMs: number): number =>
    Math.round(Math.max(0, endMs - nowMs) + restartTimeMs + random() * (count / MAX_CLOSES_PER_SECOND) * 1000)

export interface Forecast {
  /** Connections that ended per second, over the given time. */
  readonly perSecond: number
  /** Milliseconds until all connections have ended at that rate; `undefined`: none ends. */
  readonly doneInMs: number | undefined
}

/** When the drain ends at the present rate. */
export function forecast(remaining: number, gone: number, overMs: number): Forecast {
  const perSecond = overMs > 0 ? (gone * 1000) / overMs : 0
  return { perSecond, doneInMs: remaining === 0 ? 0 : perSecond > 0 ? (remaining / perSecond) * 1000 : undefined }
}
