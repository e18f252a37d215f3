/**
 * The state of several workers as that of one server, where a cancel and a signal cross.
 */
import { expect, test } from 'vitest'
import { silentLogger } from '../../src/observability/log.js'
import { Supervision, type SupervisionOptions } from '../../src/workers/supervision.js'
import { FakeClock } from '../support/fake-clock.js'

/** One generation serves. Each query stays open until the test answers it for all workers. */
function supervised() {
  const told: string[] = []
  let answer: (isCancelled: boolean) => void = () => undefined
  const ask = (): Promise<unknown> =>
    new Promise((resolve) => {
      answer = (content) => resolve({ asked: 1, answers: [{ member: { generation: 1, worker: 1 }, content }] })
    })
  const options: SupervisionOptions = {
    generations: {
      serving: 1,
      *members() {
        // There is no process. The test records the messages to the workers below.
      },
      shutdown: ({ kind }) => told.push(kind),
      hurry: () => told.push('hurry'),
      hurryLeaving: () => told.push('hurryLeaving'),
      resume: () => told.push('resume'),
    },
    query: { ask: ask as SupervisionOptions['query']['ask'], silentCount: 0 },
    metrics: { update: () => undefined, text: () => Promise.resolve('') },
    clock: new FakeClock(),
    log: silentLogger,
  }
  const supervision = new Supervision(options)
  supervision.started()
  return { supervision, told, answer: (isCancelled: boolean) => answer(isCancelled) }
}

test('a shutdown that its workers call off in time goes back to serving', async () => {
  const { supervision, told, answer } = supervised()
  supervision.handleSignal('SIGTERM')
  expect(supervision.state).toBe('draining')
  const cancelled = supervision.answers.cancel({ why: 'request' })
  answer(true)
  expect(await cancelled).toBe(true)
  expect(supervision.state).toBe('serving')
  expect(told).toEqual(['shutdown', 'resume'])
})

test('a second signal that arrives while the workers are asked to call off the shutdown ends the waiting', async () => {
  const { supervision, told, answer } = supervised()
  supervision.handleSignal('SIGTERM')
  const cancelled = supervision.answers.cancel({ why: 'request' })
  supervision.handleSignal('SIGTERM')
  answer(true)
  expect(await cancelled).toBe(false)
  expect(supervision.state).toBe('closing')
  expect(told).toEqual(['shutdown', 'hurry', 'shutdown', 'hurry'])
})
