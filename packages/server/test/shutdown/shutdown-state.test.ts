/**
 * The states of a server: the whole table.
 */
import { expect, test } from 'vitest'
import {
  isReady,
  isShuttingDown,
  nextState,
  type ShutdownEvent,
  type ShutdownState,
} from '../../src/shutdown/shutdown-state.js'

const STATES: readonly ShutdownState[] = ['starting', 'serving', 'draining', 'closing', 'closed']
const EVENTS: readonly ShutdownEvent[] = ['started', 'shutdown', 'cancel', 'hurry', 'deadline', 'everybodyGone']

const TABLE: Readonly<Record<ShutdownState, Partial<Record<ShutdownEvent, ShutdownState>>>> = {
  starting: { started: 'serving', shutdown: 'draining' },
  serving: { shutdown: 'draining' },
  draining: { cancel: 'serving', hurry: 'closing', deadline: 'closing', everybodyGone: 'closed' },
  closing: { everybodyGone: 'closed' },
  closed: {},
}

test.each(STATES.flatMap((state) => EVENTS.map((event) => [state, event, TABLE[state][event]] as const)))(
  '%s and %s: %s',
  (state, event, next) => {
    expect(nextState(state, event)).toBe(next)
  },
)

test('a server that closes cannot return to serving, and a closed one stays closed', () => {
  const reachableFrom = (state: ShutdownState, seen = new Set<ShutdownState>()): Set<ShutdownState> => {
    for (const event of EVENTS) {
      const next = nextState(state, event)
      if (next === undefined || seen.has(next)) continue
      seen.add(next)
      reachableFrom(next, seen)
    }
    return seen
  }
  expect([...reachableFrom('closing')]).toEqual(['closed'])
  expect([...reachableFrom('closed')]).toEqual([])
  expect([...reachableFrom('draining')].toSorted()).toEqual(['closed', 'closing', 'draining', 'serving'])
})

test('only who serves is ready; who drains, closes or is closed is shutting down', () => {
  expect(STATES.filter(isReady)).toEqual(['serving'])
  expect(STATES.filter(isShuttingDown)).toEqual(['draining', 'closing', 'closed'])
})
