/**
 * Who shares the journal, as far as it says so.
 */
import { beforeEach, describe, expect, test } from 'vitest'
import { Instances, MAX_SILENCE_MS } from '../../src/instances/instances.js'
import type { InstanceState } from '../../src/journal/journal.js'
import { instanceEntry } from '../support/entries.js'
import { FakeClock } from '../support/fake-clock.js'

let clock: FakeClock
let instances: Instances

beforeEach(() => {
  clock = new FakeClock()
  instances = new Instances({ node: 'own', clock })
})

const says = (node: string, state: InstanceState, build = 'old', at = clock.now()): void =>
  instances.heard(instanceEntry({ node, state, build, at }))

/** What is known, in short. */
const known = (): Record<string, unknown> => ({
  anotherReady: instances.isAnotherReady,
  anotherDraining: instances.isAnotherDraining,
  ready: instances.count('ready'),
  draining: instances.count('draining'),
})

const NOBODY = { anotherReady: false, anotherDraining: false, ready: 0, draining: 0 }

test('nobody is known before somebody has spoken', () => {
  expect(known()).toEqual(NOBODY)
  expect(instances.isReadyBeside('old')).toBe(false)
  expect(instances.isDraining).toBe(false)
})

test('the last word counts', () => {
  says('other', 'ready')
  expect(known()).toEqual({ ...NOBODY, anotherReady: true, ready: 1 })
  says('other', 'draining')
  expect(known()).toEqual({ ...NOBODY, anotherDraining: true, draining: 1 })
  says('other', 'ready')
  expect(known()).toEqual({ ...NOBODY, anotherReady: true, ready: 1 })
  says('other', 'gone')
  expect(known()).toEqual(NOBODY)
})

test('this instance is no other one, and is counted', () => {
  says('own', 'ready')
  expect(known()).toEqual({ ...NOBODY, ready: 1 })
  says('own', 'draining')
  expect(known()).toEqual({ ...NOBODY, draining: 1 })
  expect(instances.isDraining).toBe(true)
  says('own', 'ready')
  expect(instances.isDraining).toBe(false)
})

test('a state that is not known yet is neither ready nor draining', () => {
  says('other', 'resting' as InstanceState)
  expect(known()).toEqual(NOBODY)
})

describe('an instance of another build', () => {
  test('is one that is ready and not of this build', () => {
    says('same', 'ready', 'old')
    expect(instances.isReadyBeside('old')).toBe(false)
    says('new', 'draining', 'new')
    expect(instances.isReadyBeside('old')).toBe(false)
    says('new', 'ready', 'new')
    expect(instances.isReadyBeside('old')).toBe(true)
  })
})

describe('silence', () => {
  test('of half a minute means that an instance is gone', () => {
    says('killed', 'ready', 'new')
    clock.advance(MAX_SILENCE_MS)
    expect(instances.isReadyBeside('old')).toBe(true)
    clock.advance(1)
    expect(instances.isReadyBeside('old')).toBe(false)
    expect(known()).toEqual(NOBODY)
  })

  test('is broken by each word', () => {
    for (let times = 0; times < 10; times++) {
      says('other', 'draining')
      clock.advance(MAX_SILENCE_MS)
      expect(instances.isAnotherDraining).toBe(true)
    }
  })

  test('that began before this instance read of it counts from its beginning', () => {
    says('killed', 'ready', 'old', clock.now() - MAX_SILENCE_MS - 1)
    says('alive', 'ready', 'old', clock.now() - MAX_SILENCE_MS)
    expect(instances.count('ready')).toBe(1)
  })

  test('of one whose clock is ahead is no longer than that of others', () => {
    says('ahead', 'ready', 'old', clock.now() + 3_600_000)
    clock.advance(MAX_SILENCE_MS + 1)
    expect(instances.isAnotherReady).toBe(false)
  })

  test('of its own says nothing to an instance that is alive', () => {
    says('own', 'draining')
    clock.advance(10 * MAX_SILENCE_MS)
    expect(instances.isDraining).toBe(true)
  })
})

test('in another journal everybody is yet to be heard of', () => {
  says('own', 'draining')
  says('other', 'ready')
  instances.forget()
  expect(known()).toEqual(NOBODY)
  expect(instances.isDraining).toBe(false)
})
