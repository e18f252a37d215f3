/**
 * The arithmetic of a drain: forced closes are paced and over in time, reminders come when they are useful.
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { closesDue, closingTimeMs, forecast, graceMs, reminderTimes } from '../../src/shutdown/drain-plan.js'

const MINUTE_MS = 60_000

describe('reminders', () => {
  test.each([
    ['30 minutes', 30 * MINUTE_MS, [15 * MINUTE_MS, 25 * MINUTE_MS, 29 * MINUTE_MS, 30 * MINUTE_MS - 10_000]],
    ['10 minutes', 10 * MINUTE_MS, [5 * MINUTE_MS, 9 * MINUTE_MS, 10 * MINUTE_MS - 10_000]],
    ['90 seconds', 90_000, [45_000, 80_000]],
    ['30 seconds', 30_000, [15_000, 20_000]],
    ['20 seconds', 20_000, [10_000]],
    ['3 seconds', 3_000, [1_500]],
    ['no time', 0, []],
  ])('of a shutdown that takes %s', (_name, timeoutMs, times) => {
    expect(reminderTimes(timeoutMs)).toEqual(times)
  })

  test('are in the second half, before the end, ascending, and not one upon the other', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 7 * 24 * 60 * MINUTE_MS }), (timeoutMs) => {
        const times = reminderTimes(timeoutMs)
        for (const [index, time] of times.entries()) {
          expect(time).toBeGreaterThanOrEqual(timeoutMs / 2)
          expect(time).toBeLessThan(timeoutMs)
          if (index > 0) expect(time - (times[index - 1] as number)).toBeGreaterThanOrEqual(2000)
        }
      }),
    )
  })
})

describe('forced closes', () => {
  interface Run {
    readonly closed: number
    /** When the last one was closed, in milliseconds after the beginning. */
    readonly endMs: number
    readonly largest: number
  }

  /** Closes so many within so long; each tick is late by what the stream says. */
  function run(total: number, overMs: number, tickMs: number, lateMs: () => number, leave: () => number): Run {
    let [closed, left, endMs, largest] = [0, 0, 0, 0]
    for (let nowMs = 0; closed + left < total; nowMs += tickMs + lateMs()) {
      left += Math.min(leave(), total - closed - left)
      const due = closesDue(total - closed - left, overMs - nowMs, tickMs)
      closed += due
      if (due > 0) endMs = nowMs
      largest = Math.max(largest, due)
      if (nowMs > overMs + tickMs + 10_000) throw new Error('it never ends')
    }
    return { closed, endMs, largest }
  }

  const never = (): number => 0
  const sizes = fc.record({
    total: fc.integer({ min: 1, max: 20_000 }),
    overMs: fc.integer({ min: 0, max: 60_000 }),
    tickMs: fc.constantFrom(10, 50, 1000),
  })

  test('are all closed, each once, and none later than the deadline', () => {
    fc.assert(
      fc.property(sizes, ({ total, overMs, tickMs }) => {
        const { closed, endMs } = run(total, overMs, tickMs, never, never)
        expect(closed).toBe(total)
        expect(endMs).toBeLessThanOrEqual(overMs)
      }),
    )
  })

  test('are never more at once than the even rate, by more than one', () => {
    fc.assert(
      fc.property(sizes, ({ total, overMs, tickMs }) => {
        const { largest } = run(total, overMs, tickMs, never, never)
        const ticks = Math.max(1, Math.ceil(overMs / tickMs))
        expect(largest).toBeLessThanOrEqual(Math.ceil(total / Math.max(1, Math.floor(overMs / tickMs))) + 1)
        expect(largest).toBeGreaterThanOrEqual(Math.floor(total / (ticks + 1)))
      }),
    )
  })

  test('make up for late ticks and still are over in time', () => {
    fc.assert(
      fc.property(sizes, fc.infiniteStream(fc.nat(300)), ({ total, overMs, tickMs }, late) => {
        const { closed, endMs } = run(total, overMs, tickMs, () => late.next().value as number, never)
        expect(closed).toBe(total)
        // The tick that finds no time left closes all: it may itself be late.
        expect(endMs).toBeLessThanOrEqual(overMs + 300)
      }),
    )
  })

  test('are fewer when others leave by themselves, and never more than are left', () => {
    fc.assert(
      fc.property(sizes, fc.infiniteStream(fc.nat(50)), ({ total, overMs, tickMs }, leaves) => {
        const { closed, endMs } = run(total, overMs, tickMs, never, () => leaves.next().value as number)
        expect(closed).toBeLessThanOrEqual(total)
        expect(endMs).toBeLessThanOrEqual(overMs)
      }),
    )
  })

  test('without time left are all at once', () => {
    expect([closesDue(1000, 0, 50), closesDue(1000, 50, 50), closesDue(1000, -5, 50)]).toEqual([1000, 1000, 1000])
    expect(closesDue(0, 1000, 50)).toBe(0)
  })
})

describe('the time for forced closes', () => {
  test('is a second for a thousand connections, so that a few are left alone until the end', () => {
    expect([0, 1, 10, 1000, 10_000].map((remaining) => closingTimeMs(remaining, 30 * MINUTE_MS))).toEqual([
      0, 1, 10, 1000, 10_000,
    ])
  })

  test('is never more than half of what the clients were promised', () => {
    fc.assert(
      fc.property(fc.nat(10_000_000), fc.nat(10 * MINUTE_MS), (remaining, timeoutMs) => {
        const timeMs = closingTimeMs(remaining, timeoutMs)
        expect(timeMs).toBeGreaterThanOrEqual(0)
        expect(timeMs).toBeLessThanOrEqual(timeoutMs / 2)
      }),
    )
  })
})

test('the forecast is the rate so far and when it ends at that', () => {
  expect(forecast(100, 50, 10_000)).toEqual({ perSecond: 5, doneInMs: 20_000 })
  expect(forecast(100, 0, 10_000)).toEqual({ perSecond: 0, doneInMs: undefined })
  expect(forecast(0, 10, 10_000)).toEqual({ perSecond: 1, doneInMs: 0 })
  expect(forecast(5, 0, 0)).toEqual({ perSecond: 0, doneInMs: undefined })
})

describe('the grace of a migrating client', () => {
  test.each([
    [1000, 500],
    [4000, 1500],
    [30_000, 1500],
    [36_000, 1800],
    [120_000, 2000],
  ])('of a spread over %i ms is %i ms', (overMs, expected) => {
    expect(graceMs(overMs)).toBe(expected)
  })
})
