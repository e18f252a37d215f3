import { expect, test } from 'vitest'
import { runLastSteps } from '../../src/shutdown/last-steps.js'
import { FakeClock } from '../support/fake-clock.js'

const never = (): Promise<void> => new Promise(() => undefined)

test('a step that does not end is given up, and those behind it run', async () => {
  const clock = new FakeClock()
  const ran: string[] = []
  const step = (name: string, run: () => Promise<void>) => ({
    name,
    run: () => {
      ran.push(name)
      return run()
    },
  })
  const ending = runLastSteps(
    [step('one', never), step('two', () => Promise.resolve()), { ...step('three', never), waitsForPeer: true }],
    3000,
    clock,
  )
  for (let turn = 0; turn < 20; turn++) {
    clock.advance(500)
    await Promise.resolve().then(() => new Promise((resolve) => setImmediate(resolve)))
  }
  expect(await ending).toEqual({ hanging: ['one'], abandoned: ['three'] })
  expect(ran).toEqual(['one', 'two', 'three'])
})

test('an error of a step does not keep the others from closing', async () => {
  const ran: string[] = []
  const ending = runLastSteps(
    [
      { name: 'one', run: () => Promise.reject(new Error('it cannot be closed')) },
      { name: 'two', run: () => Promise.resolve(ran.push('two')) },
    ],
    1000,
    new FakeClock(),
  )
  await expect(ending).rejects.toThrow('it cannot be closed')
  expect(ran).toEqual(['two'])
})
