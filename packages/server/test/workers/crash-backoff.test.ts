/**
 * How long is waited before a worker that crashed is replaced.
 */
import { expect, test } from 'vitest'
import { CrashBackoff } from '../../src/workers/crash-backoff.js'

const delays = (backoff: CrashBackoff, count: number, livedMs = 0): number[] =>
  Array.from({ length: count }, () => backoff.after(livedMs))

test('not at all, then twice as long each time, up to a bound', () => {
  expect(delays(new CrashBackoff(), 10)).toEqual([0, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000])
})

test('a worker that has run for a while is replaced at once again', () => {
  const backoff = new CrashBackoff()
  delays(backoff, 8)
  expect(backoff.after(59_999)).toBe(30_000)
  expect(backoff.after(60_000)).toBe(0)
  expect(backoff.after(0)).toBe(500)
})

test('however often it crashes, the delay stays a number', () => {
  const backoff = new CrashBackoff()
  delays(backoff, 10_000)
  expect(backoff.after(0)).toBe(30_000)
})
