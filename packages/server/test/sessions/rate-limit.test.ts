/**
 * The rate limit: sixty at once, then one a second, and coming back is not a way around it.
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { RateLimit } from '../../src/sessions/rate-limit.js'

const MINUTE_MS = 60_000

test('a minute’s messages may come at once, the next one is too many and is told when it may', () => {
  const limit = new RateLimit(60)
  const bucket = limit.open('anna', 0)
  for (let count = 0; count < 60; count++) expect(limit.take(bucket, 0)).toBe(0)
  expect(limit.take(bucket, 0)).toBe(1000)
  expect(limit.take(bucket, 250)).toBe(750)
  expect(limit.take(bucket, 750)).toBe(250)
  expect(limit.take(bucket, 1000)).toBe(0)
  expect(limit.take(bucket, 1000)).toBe(1000)
})

test('who is told to wait and waits that long is let through', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 100_000 }),
      fc.array(fc.double({ min: 0, max: 5000, noNaN: true })),
      (perMinute, pauses) => {
        const limit = new RateLimit(perMinute)
        const bucket = limit.open('anna', 0)
        let nowMs = 0
        for (let count = 0; count < perMinute; count++) limit.take(bucket, nowMs)
        for (const pauseMs of pauses) {
          nowMs += pauseMs
          const retryInMs = limit.take(bucket, nowMs)
          if (retryInMs === 0) continue
          expect(Number.isInteger(retryInMs)).toBe(true)
          nowMs += retryInMs
          expect(limit.take(bucket, nowMs)).toBe(0)
        }
      },
    ),
    { numRuns: 50 },
  )
})

test('nobody is told to wait again for what rounding took', () => {
  const limit = new RateLimit(1)
  const bucket = limit.open('anna', 0)
  limit.take(bucket, 0)
  let nowMs = 3.637978807091714e-12
  for (let wait = 0; wait < 2; wait++) {
    expect(limit.take(bucket, nowMs)).toBe(60_000)
    nowMs += 60_000
    expect(limit.take(bucket, nowMs)).toBe(0)
  }
})

test('in any stretch of time no more pass than the burst and what that time brings', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 600 }),
      fc.array(fc.nat(3000), { minLength: 1, maxLength: 300 }),
      (perMinute, pauses) => {
        const limit = new RateLimit(perMinute)
        const bucket = limit.open('anna', 0)
        let nowMs = 0
        let passed = 0
        for (const pauseMs of pauses) {
          nowMs += pauseMs
          if (limit.take(bucket, nowMs) === 0) passed++
        }
        expect(passed).toBeLessThanOrEqual(perMinute + (nowMs * perMinute) / MINUTE_MS + 1e-6)
      },
    ),
  )
})

test('quiet does not save up more than a minute’s messages', () => {
  const limit = new RateLimit(3)
  const bucket = limit.open('anna', 0)
  const nowMs = 10 * MINUTE_MS
  expect([0, 1, 2].map(() => limit.take(bucket, nowMs))).toEqual([0, 0, 0])
  expect(limit.take(bucket, nowMs)).toBeGreaterThan(0)
})

describe('a client that goes and comes back', () => {
  test('finds what it left, and what has run in meanwhile', () => {
    const limit = new RateLimit(60)
    const bucket = limit.open('anna', 0)
    for (let count = 0; count < 60; count++) limit.take(bucket, 0)
    limit.keep('anna', bucket, 0)
    const again = limit.open('anna', 2000)
    expect([0, 1].map(() => limit.take(again, 2000))).toEqual([0, 0])
    expect(limit.take(again, 2000)).toBe(1000)
  })

  test('has nothing of anybody else', () => {
    const limit = new RateLimit(1)
    const bucket = limit.open('anna', 0)
    limit.take(bucket, 0)
    limit.keep('anna', bucket, 0)
    expect(limit.take(limit.open('bob', 0), 0)).toBe(0)
  })

  test('finds it full after a minute, whether it was swept or not', () => {
    for (const isSwept of [false, true]) {
      const limit = new RateLimit(2)
      const bucket = limit.open('anna', 0)
      limit.take(bucket, 0)
      limit.take(bucket, 0)
      limit.keep('anna', bucket, 0)
      if (isSwept) limit.sweep(MINUTE_MS)
      const again = limit.open('anna', MINUTE_MS)
      expect([0, 1].map(() => limit.take(again, MINUTE_MS))).toEqual([0, 0])
    }
  })

  test('is not forgiven by a sweep that comes before the minute is over', () => {
    const limit = new RateLimit(1)
    const bucket = limit.open('anna', 0)
    limit.take(bucket, 0)
    limit.keep('anna', bucket, 0)
    limit.sweep(MINUTE_MS - 1)
    expect(limit.take(limit.open('anna', 1000), 1000)).toBeGreaterThan(0)
  })
})

test('0 is no limit', () => {
  const limit = new RateLimit(0)
  const bucket = limit.open('anna', 0)
  for (let count = 0; count < 1000; count++) expect(limit.take(bucket, 0)).toBe(0)
  limit.keep('anna', bucket, 0)
})
