/** Which instances share the journal, and which of them are live. */
import { beforeEach, describe, expect, test } from 'vitest'
import { Instances } from '../../src/instances/instances.js'
import type { InstanceState } from '../../src/journal/journal.js'
import { instanceEntry } from '../support/entries.js'
import { FakeClock } from '../support/fake-clock.js'

const TIMEOUT_MS = 12_000

let clock: FakeClock
let instances: Instances

beforeEach(() => {
  clock = new FakeClock()
  instances = new Instances({ node: 'own', timeoutMs: TIMEOUT_MS, clock })
  instances.reachHead()
})

function announce(node: string, state: InstanceState, build = 'old'): void {
  instances.receivedFrom(node)
  instances.announced(instanceEntry({ node, state, build }))
}

/** The state in short. */
const known = (): Record<string, unknown> => ({
  anotherLive: instances.isAnotherLive,
  anotherReady: instances.isAnotherReady,
  ready: instances.count('ready'),
  draining: instances.count('draining'),
})

const NOBODY = { anotherLive: false, anotherReady: false, ready: 0, draining: 0 }

test('no instance is known before its announcement', () => {
  expect(known()).toEqual(NOBODY)
  expect(instances.isReadyBeside('old')).toBe(false)
  expect(instances.isDraining).toBe(false)
})

test('the latest announcement counts', () => {
  announce('other', 'ready')
  expect(known()).toEqual({ ...NOBODY, anotherLive: true, anotherReady: true, ready: 1 })
  announce('other', 'draining')
  expect(known()).toEqual({ ...NOBODY, anotherLive: true, draining: 1 })
  announce('other', 'gone')
  expect(known()).toEqual(NOBODY)
})

test('this instance counts, but not as another one', () => {
  announce('own', 'ready')
  expect(known()).toEqual({ ...NOBODY, ready: 1 })
  announce('own', 'draining')
  expect(instances.isDraining).toBe(true)
})

test('a state of a newer build is neither ready nor draining', () => {
  announce('other', 'resting' as InstanceState)
  expect(known()).toEqual({ ...NOBODY, anotherLive: true })
})

test('isAnotherBuildReady finds a ready instance of another build', () => {
  announce('same', 'ready', 'old')
  expect(instances.isReadyBeside('old')).toBe(false)
  announce('new', 'draining', 'new')
  expect(instances.isReadyBeside('old')).toBe(false)
  announce('new', 'ready', 'new')
  expect(instances.isReadyBeside('old')).toBe(true)
})

test('an announcement from before the start proves nothing, because its instance may have been killed', () => {
  const starting = new Instances({ node: 'own', timeoutMs: TIMEOUT_MS, clock })
  starting.receivedFrom('killed')
  starting.announced(instanceEntry({ node: 'killed', state: 'ready' }))
  starting.reachHead()
  expect(starting.isLive('killed')).toBe(false)
  expect(starting.all).toEqual([])
})

describe('the lease of an instance', () => {
  test('expires when no entry of the instance arrives for longer than the timeout', () => {
    announce('other', 'ready')
    clock.advance(TIMEOUT_MS)
    expect(instances.expired()).toEqual([])
    clock.advance(1)
    expect(instances.expired()).toEqual(['other'])
    instances.lost('other')
    expect(instances.expired()).toEqual([])
    expect(instances.isLive('other')).toBe(false)
  })

  test('is renewed by any entry', () => {
    announce('other', 'ready')
    clock.advance(TIMEOUT_MS)
    instances.receivedFrom('other')
    clock.advance(TIMEOUT_MS)
    expect(instances.expired()).toEqual([])
  })

  test('does not expire while the journal is unavailable, and begins anew afterwards', () => {
    announce('other', 'ready')
    clock.advance(10 * TIMEOUT_MS)
    instances.renewLeases()
    clock.advance(TIMEOUT_MS)
    expect(instances.expired()).toEqual([])
    clock.advance(1)
    expect(instances.expired()).toEqual(['other'])
  })

  test('covers an instance that appended entries and never announced itself', () => {
    instances.receivedFrom('silent')
    clock.advance(TIMEOUT_MS + 1)
    expect(instances.expired()).toEqual(['silent'])
  })

  test('is not measured for this instance itself', () => {
    announce('own', 'ready')
    clock.advance(TIMEOUT_MS + 1)
    expect(instances.expired()).toEqual([])
  })
})

test('in a new journal every instance must announce itself first', () => {
  announce('own', 'draining')
  announce('other', 'ready')
  instances.forget()
  expect(known()).toEqual(NOBODY)
  expect(instances.isDraining).toBe(false)
})

test('lists all live instances by their ids', () => {
  announce('own', 'ready')
  announce('b', 'draining')
  announce('a', 'ready', 'new')
  expect(instances.all.map(({ node, build, state }) => [node, build, state])).toEqual([
    ['a', 'new', 'ready'],
    ['b', 'old', 'draining'],
    ['own', 'old', 'ready'],
  ])
})
