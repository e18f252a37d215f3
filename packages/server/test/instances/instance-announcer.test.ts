/**
 * What an instance says of itself, and when.
 */
import { expect, test } from 'vitest'
import { ANNOUNCE_EVERY_MS, InstanceAnnouncer } from '../../src/instances/instance-announcer.js'
import { MAX_SILENCE_MS } from '../../src/instances/instances.js'
import { FakeClock } from '../support/fake-clock.js'

function announcer(isShared = true): {
  announcer: InstanceAnnouncer
  said: string[]
  clock: FakeClock
  become: (state: 'ready' | 'draining') => void
} {
  const clock = new FakeClock()
  const said: string[] = []
  let state: 'ready' | 'draining' = 'ready'
  const publish = (word: string): void => void said.push(word)
  return {
    announcer: new InstanceAnnouncer({ journal: { isShared }, state: () => state, publish, clock }),
    said,
    clock,
    become: (next) => (state = next),
  }
}

test('ready at the start, what changes at once, gone at the end, and then nothing more', () => {
  const { announcer: own, said, clock, become } = announcer()
  own.start()
  become('draining')
  own.tell()
  become('ready')
  own.tell()
  own.end()
  expect(said).toEqual(['ready', 'draining', 'ready', 'gone'])
  own.end()
  own.tell()
  clock.advance(10 * ANNOUNCE_EVERY_MS)
  expect(said).toHaveLength(4)
  expect(clock.running).toBe(0)
})

test('it says it again before it could be taken for gone, even if a word or two are lost', () => {
  const { announcer: own, said, clock, become } = announcer()
  own.start()
  clock.advance(ANNOUNCE_EVERY_MS)
  become('draining')
  clock.advance(ANNOUNCE_EVERY_MS)
  expect(said).toEqual(['ready', 'ready', 'draining'])
  expect(3 * ANNOUNCE_EVERY_MS).toBeLessThanOrEqual(MAX_SILENCE_MS)
})

test('before it can be reached it says nothing', () => {
  const { announcer: own, said, clock } = announcer()
  own.tell()
  own.end()
  clock.advance(ANNOUNCE_EVERY_MS)
  expect(said).toEqual([])
})

test('it starts once', () => {
  const { announcer: own, said, clock } = announcer()
  own.start()
  own.start()
  expect([said, clock.running]).toEqual([['ready'], 1])
})

test('in a journal of its own it says nothing at all', () => {
  const { announcer: own, said, clock } = announcer(false)
  own.start()
  own.tell()
  clock.advance(ANNOUNCE_EVERY_MS)
  own.end()
  expect([said, clock.running]).toEqual([[], 0])
})
