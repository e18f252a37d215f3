/**
 * When the primary stops waiting for its workers.
 */
import { beforeEach, expect, test } from 'vitest'
import { ShutdownBound, type ShutdownLimits } from '../../src/workers/shutdown-bound.js'
import { FakeClock } from '../support/fake-clock.js'

let clock: FakeClock
let exceeded: number[]
let limits: ShutdownLimits[]
let bound: ShutdownBound

beforeEach(() => {
  clock = new FakeClock()
  exceeded = []
  limits = [
    { shutdownTimeoutSeconds: 40, closeTimeoutSeconds: 2 },
    { shutdownTimeoutSeconds: 60, closeTimeoutSeconds: 3 },
  ]
  bound = new ShutdownBound({ limits: () => limits, onExceeded: (seconds) => exceeded.push(seconds), clock })
})

test('after SHUTDOWN_TIMEOUT, CLOSE_TIMEOUT and 5 s of the worker that has the longest', () => {
  bound.stateChanged('draining')
  clock.advance(67_999)
  expect(exceeded).toEqual([])
  clock.advance(1)
  expect(exceeded).toEqual([68])
})

test('after what the request of the shutdown asked for instead', () => {
  bound.stateChanged('draining', 1)
  clock.advance(9_000)
  expect(exceeded).toEqual([9])
})

test('after CLOSE_TIMEOUT and 5 s when nobody is waited for any more', () => {
  bound.stateChanged('draining')
  clock.advance(1_000)
  bound.stateChanged('closing')
  clock.advance(8_000)
  expect(exceeded).toEqual([8])
})

test('not later because the last clients are being closed', () => {
  bound.stateChanged('draining')
  clock.advance(65_000)
  bound.stateChanged('closing')
  clock.advance(3_000)
  expect(exceeded).toEqual([68])
})

test.each(['serving', 'closed'] as const)('not at all when the state is %s', (state) => {
  bound.stateChanged('draining')
  bound.stateChanged(state)
  clock.advance(1_000_000)
  expect(exceeded).toEqual([])
  expect(clock.running).toBe(0)
})
