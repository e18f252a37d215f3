/** The clock of the system: what it promises beyond the timers of Node. */
import { expect, test } from 'vitest'
import { systemClock } from '../src/clock.js'

test.each([0.6, 1.7, 12.9])(
  'a callback after %f ms is never early, not even by a fraction of a millisecond',
  async (ms) => {
    for (let round = 0; round < 10; round++) {
      const askedAtMs = systemClock.monotonic()
      await new Promise<void>((resolve) => systemClock.after(ms, resolve))
      expect(systemClock.monotonic() - askedAtMs).toBeGreaterThanOrEqual(ms)
    }
  },
)

test('a cancelled callback is not called', async () => {
  let isCalled = false
  const callOff = systemClock.after(1.5, () => (isCalled = true))
  callOff()
  await new Promise<void>((resolve) => systemClock.after(20, resolve))
  expect(isCalled).toBe(false)
})
