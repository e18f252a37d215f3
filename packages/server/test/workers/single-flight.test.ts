/**
 * One call at a time.
 */
import { expect, test } from 'vitest'
import { singleFlight } from '../../src/workers/single-flight.js'

test('a caller gets the result of the running call, and a later caller another one', async () => {
  const finish: ((answer: number) => void)[] = []
  const ask = singleFlight(() => new Promise<number>((resolve) => finish.push(resolve)))
  const [one, two] = [ask(), ask()]
  expect(finish).toHaveLength(1)
  finish[0]?.(1)
  expect(await Promise.all([one, two])).toEqual([1, 1])
  const three = ask()
  finish[1]?.(2)
  expect(await three).toBe(2)
})

test('a failure rejects the calls that wait for it, and the next call starts anew', async () => {
  let calls = 0
  const ask = singleFlight(() => (calls++ === 0 ? Promise.reject(new Error('busy')) : Promise.resolve(calls)))
  const [one, two] = [ask(), ask()]
  await expect(one).rejects.toThrow('busy')
  await expect(two).rejects.toThrow('busy')
  expect(await ask()).toBe(2)
})
