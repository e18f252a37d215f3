/** Which workers the primary reports as silent, and which it kills, with a clock that the test advances. */
import { beforeEach, expect, test } from 'vitest'
import { silentLogger } from '../../src/observability/log.js'
import { Liveness, type LivelyProcess } from '../../src/workers/liveness.js'
import { FakeClock } from '../support/fake-clock.js'

class FakeProcess implements LivelyProcess {
  readonly pid = 1
  answers = true
  asked = 0
  wasKilled = false
  wasHungUpOn = false
  #hasSpoken = true
  send(): void {
    // Nothing is sent by what is tested.
  }
  kill(): void {
    this.wasKilled = true
  }
  hangUpOnNewcomers(): void {
    this.wasHungUpOn = true
  }
  takeSignOfLife(): boolean {
    const had = this.#hasSpoken
    this.#hasSpoken = false
    return had
  }
  askForSignOfLife(): void {
    this.asked++
    this.#hasSpoken = this.answers
  }
}

let clock: FakeClock
let first: FakeProcess
let second: FakeProcess
let liveness: Liveness
const member = (process: FakeProcess, worker: number, isReady = true) => ({ process, worker, generation: 1, isReady })

beforeEach(() => {
  clock = new FakeClock()
  first = new FakeProcess()
  second = new FakeProcess()
  const members = () => [member(first, 1), member(second, 2)]
  liveness = new Liveness({ members, timeoutSeconds: 7, clock, log: silentLogger })
})

test('a worker that answers is left alone', () => {
  clock.advance(60_000)
  expect(first.asked).toBe(60)
  expect([first.wasKilled, liveness.isSilent(member(first, 1))]).toEqual([false, false])
})

test('a worker that stops answering is silent soon and killed after the timeout', () => {
  clock.advance(10_000)
  second.answers = false
  clock.advance(1_000)
  clock.advance(1_000)
  expect(liveness.isSilent(member(second, 2))).toBe(false)
  clock.advance(1_000)
  expect(liveness.isSilent(member(second, 2))).toBe(true)
  clock.advance(2_000)
  expect(second.wasHungUpOn).toBe(false)
  clock.advance(1_000)
  expect(second.wasHungUpOn).toBe(true)
  clock.advance(1_000)
  expect(second.wasKilled).toBe(false)
  clock.advance(1_000)
  expect(second.wasKilled).toBe(true)
  expect([first.wasKilled, first.wasHungUpOn]).toEqual([false, false])
})

test('a worker that answers again is as good as new', () => {
  second.answers = false
  clock.advance(6_000)
  second.answers = true
  clock.advance(2_000)
  expect(liveness.isSilent(member(second, 2))).toBe(false)
  second.answers = false
  clock.advance(6_000)
  expect(second.wasKilled).toBe(false)
})

test('a worker that is starting is not asked', () => {
  const process = new FakeProcess()
  const other = new Liveness({
    members: () => [member(process, 1, false)],
    timeoutSeconds: 2,
    clock,
    log: silentLogger,
  })
  clock.advance(10_000)
  expect([process.asked, process.wasKilled, other.isSilent(member(process, 1))]).toEqual([0, false, false])
})
