/**
 * The pace of rejections: the first ones of an address are answered at once, the rest a second late.
 */
import { expect, test } from 'vitest'
import { LateAnswers } from '../../src/sessions/late-answers.js'
import { FakeClock } from '../support/fake-clock.js'

/** Rejects so many clients of an address, and notes the number of each that has its answer. */
function reject(answers: LateAnswers, count: number, address: string, answered: number[]): void {
  for (let index = 0; index < count; index++) answers.give('unauthorized', address, () => answered.push(index))
}

const numbers = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, index) => from + index)

test('an address gets 20 rejections at once, and each one after them a second late', () => {
  const clock = new FakeClock()
  const answers = new LateAnswers(clock)
  const answered: number[] = []
  reject(answers, 50, '192.0.2.7', answered)
  expect(answered).toEqual(numbers(0, 20))
  clock.advance(999)
  expect(answered).toHaveLength(20)
  clock.advance(1)
  expect(answered).toEqual(numbers(0, 50))
})

test('another address is answered at once meanwhile, and so is the same one for a reason that is not its own', () => {
  const clock = new FakeClock()
  const answers = new LateAnswers(clock)
  reject(answers, 21, '192.0.2.7', [])
  const answered: string[] = []
  answers.give('unauthorized', '192.0.2.8', () => answered.push('another address'))
  answers.give('shutting_down', '192.0.2.7', () => answered.push('a shutdown'))
  answers.give('max_connections', '192.0.2.7', () => answered.push('no room'))
  answers.give('id_in_use', '192.0.2.7', () => answered.push('late'))
  expect(answered).toEqual(['another address', 'a shutdown', 'no room'])
})

test('the addresses of one IPv6 network are one', () => {
  const clock = new FakeClock()
  const answers = new LateAnswers(clock)
  reject(answers, 20, '2001:db8:0:7::1', [])
  const answered: number[] = []
  reject(answers, 1, '2001:db8:0:7:9::2', answered)
  expect(answered).toEqual([])
})

test('an address gets its rejections at once again after a pause', () => {
  const clock = new FakeClock()
  const answers = new LateAnswers(clock)
  reject(answers, 20, '192.0.2.7', [])
  clock.advance(30_000)
  const answered: number[] = []
  reject(answers, 15, '192.0.2.7', answered)
  expect(answered).toEqual(numbers(0, 10))
})

test('at most 256 clients wait: one more makes the oldest get its answer', () => {
  const clock = new FakeClock()
  const answers = new LateAnswers(clock)
  const answered: number[] = []
  reject(answers, 20 + 256 + 3, '192.0.2.7', answered)
  expect(answered).toEqual(numbers(0, 23))
})

test('the end of the server sends every waiting answer once', () => {
  const clock = new FakeClock()
  const answers = new LateAnswers(clock)
  const answered: number[] = []
  reject(answers, 40, '192.0.2.7', answered)
  answers.giveAll()
  clock.advance(5000)
  expect(answered).toEqual(numbers(0, 40))
})
