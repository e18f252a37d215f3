/**
 * The arithmetic of a rate limit: sixty at once, then one a second.
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { RateLimit } from '../../src/sessions/rate-limit.js'

const MINUTE_MS = 60_000

test('a client may send a minute’s messages at once, and the next one gets a time to wait', () => {
  const limit = new RateLimit(60)
  const bucket = limit.open(0)
  for (let count = 0; count < 60; count++) expect(limit.take(bucket, 0)).toBe(0)
  expect(limit.take(bucket, 0)).toBe(1000)
  expect(limit.take(bucket, 250)).toBe(750)
  expect(limit.take(bucket, 750)).toBe(250)
  expect(limit.take(bucket, 1000)).toBe(0)
  expect(limit.take(bucket, 1000)).toBe(1000)
})

test('a client that waits as long as it was told to is accepted', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 100_000 }),
      fc.array(fc.double({ min: 0, max: 5000, noNaN: true })),
      (perMinute, pauses) => {
        const limit = new RateLimit(perMinute)
        const bucket = limit.open(0)
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

test('no client has to wait again because of rounding', () => {
  const limit = new RateLimit(1)
  const bucket = limit.open(0)
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
        const bucket = limit.open(0)
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

test('a quiet client saves up no more than a minute’s messages', () => {
  const limit = new RateLimit(3)
  const bucket = limit.open(0)
  const nowMs = 10 * MINUTE_MS
  expect([0, 1, 2].map(() => limit.take(bucket, nowMs))).toEqual([0, 0, 0])
  expect(limit.take(bucket, nowMs)).toBeGreaterThan(0)
})

test('several units are taken together or not at all, and more than the burst counts as the burst', () => {
  const limit = new RateLimit(300)
  const bucket = limit.open(0)
  expect(limit.take(bucket, 0, 200)).toBe(0)
  expect(limit.take(bucket, 0, 150)).toBe(10_000)
  expect(limit.take(bucket, 0, 100)).toBe(0)
  expect(limit.take(bucket, 0, 1000)).toBe(60_000)
  expect(limit.take(bucket, 60_000, 1000)).toBe(0)
})

test('a debit leaves a debt that is paid back before anything passes, and is bounded', () => {
  const limit = new RateLimit(6000, 600)
  const bucket = limit.open(0)
  expect(limit.debit(bucket, 0, 599)).toBe(0)
  expect(limit.debit(bucket, 0, 51)).toBe(510)
  expect(limit.debit(bucket, 510, 0)).toBe(0)
  for (let count = 0; count < 100; count++) limit.debit(bucket, 510, 600)
  expect(limit.debit(bucket, 510, 0)).toBe(6010)
})

test('0 is no limit', () => {
  const limit = new RateLimit(0)
  const bucket = limit.open(0)
  for (let count = 0; count < 1000; count++) expect(limit.take(bucket, 0)).toBe(0)
  expect(limit.debit(bucket, 0, 1000)).toBe(0)
})
