/**
 * Remote calls over a channel that only carries messages.
 */
import { beforeEach, expect, test } from 'vitest'
import type { Answer, Question } from '../../src/workers/messages.js'
import { answer, RpcChannel } from '../../src/workers/rpc.js'
import { FakeClock } from '../support/fake-clock.js'

interface Answers {
  name: string
  age: number
}

let clock: FakeClock
let asked: Question[]
let questions: RpcChannel<Answers>

beforeEach(() => {
  clock = new FakeClock()
  asked = []
  questions = new RpcChannel<Answers>((question) => asked.push(question), clock)
})

const reply = (to: number, content: unknown): void =>
  questions.answered({ kind: 'answer', id: (asked[to] as Question).id, content })

test('each call gets its own answer, in any order of the answers', async () => {
  const [name, age] = [questions.ask('name', { timeoutMs: 100 }), questions.ask('age', { timeoutMs: 100 })]
  reply(1, 7)
  reply(0, 'anna')
  expect(await Promise.all([name, age])).toEqual(['anna', 7])
  expect(clock.running).toBe(0)
})

test('a call without an answer in the given time rejects, and a late answer has no effect', async () => {
  const name = questions.ask('name', { timeoutMs: 100 })
  clock.advance(100)
  await expect(name).rejects.toThrow('no answer about name within 100 ms')
  reply(0, 'anna')
})

test('pending calls reject at once when the other side has ended', async () => {
  const name = questions.ask('name', { timeoutMs: 100 })
  questions.giveUp()
  await expect(name).rejects.toThrow('the other side has gone')
  expect(clock.running).toBe(0)
})

test('a failing query and an unknown query of another build are answered with an error', async () => {
  const answers: Answer[] = []
  const say = (about: string): Promise<Answer> =>
    new Promise((resolve) => {
      const known = {
        name: () => 'anna',
        age: (): number => {
          throw new Error('that is a secret')
        },
      }
      answer<Answers>({ kind: 'question', id: 1, about }, known, (found) => {
        answers.push(found)
        resolve(found)
      })
    })
  expect(await say('name')).toEqual({ kind: 'answer', id: 1, content: 'anna' })
  expect(await say('age')).toEqual({ kind: 'answer', id: 1, error: 'that is a secret' })
  expect(await say('toString')).toEqual({ kind: 'answer', id: 1, error: 'nothing is known of toString' })

  const age = questions.ask('age', { timeoutMs: 100 })
  questions.answered({ ...(answers[1] as Answer), id: (asked[0] as Question).id })
  await expect(age).rejects.toThrow('that is a secret')
})
