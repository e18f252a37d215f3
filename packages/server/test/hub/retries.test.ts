/**
 * Two instances that read one journal at different times agree on the retries.
 */
import { describe, expect, test } from 'vitest'
import type { NewEntry } from '../../src/journal/journal.js'
import { messageEntry } from '../support/entries.js'
import { FakeClock } from '../support/fake-clock.js'
import { openHub, type Member, type TestHub } from '../support/test-hub.js'
import { makeWindow } from '../support/window.js'

const TTL_MS = 300_000
const RETENTION = { maxEntries: 3, maxAgeMs: TTL_MS, maxBytes: 10_000 }

const message = (some: Parameters<typeof messageEntry>[0] = {}): NewEntry => messageEntry({ node: 'other', ...some })
const told = ({ transport }: Member): unknown[] => transport.messages.map(({ type, offset }) => [type, offset])

interface Instance extends TestHub {
  readonly anna: Member
  readonly bob: Member
}

async function openPair(): Promise<{ one: Instance; other: Instance; clock: FakeClock }> {
  const clock = new FakeClock()
  const open = async (): Promise<Instance> => {
    const made = await openHub({ retention: RETENTION, clock })
    return { ...made, anna: made.join('anna'), bob: made.join('bob') }
  }
  return { one: await open(), other: await open(), clock }
}

describe('a message that a client publishes again after an outage longer than HISTORY_TTL', () => {
  const first = message({ from: 'anna', id: 'a-1' })

  test('is a retry on the instance that evicted the first one and on the instance that has just received it', async () => {
    const { one, other, clock } = await openPair()
    one.journal.say(first)
    clock.advance(TTL_MS + 60_000)
    for (const { hub } of [one, other]) hub.sweep()
    other.journal.say(first)
    for (const { journal } of [one, other]) journal.say(message({ from: 'anna', id: 'a-1' }))
    for (const { anna, bob, stats } of [one, other]) {
      expect(told(bob)).toEqual([['message', 1]])
      expect(told(anna)).toEqual([
        ['ack', 1],
        ['ack', 1],
      ])
      expect(stats.duplicates).toBe(1)
    }
  })

  test('is acknowledged at once with the first offset and not appended, although the first one is evicted', async () => {
    const { one, clock } = await openPair()
    one.journal.say(first)
    clock.advance(TTL_MS + 1)
    one.hub.sweep()
    expect(one.hub.feed.window.size).toBe(0)
    one.hub.publishing.publish(one.anna.connection, {
      kind: 'message',
      channel: 'lobby',
      from: 'anna',
      data: '1',
      id: 'a-1',
    })
    expect(told(one.anna)).toEqual([
      ['ack', 1],
      ['ack', 1],
    ])
    expect(one.journal.appends).toEqual([])
  })

  test('is judged equally whatever the clocks of its writers', async () => {
    for (const skewMs of [-3_600_000, 3_600_000]) {
      const { one, other, clock } = await openPair()
      one.journal.say(message({ from: 'anna', id: 'a-1', at: clock.now() }))
      clock.advance(TTL_MS - 1)
      other.journal.say(message({ from: 'anna', id: 'a-1', at: clock.now() }))
      for (const { journal } of [one, other])
        journal.say(message({ from: 'anna', id: 'a-1', at: clock.now() + skewMs }))
      for (const { bob } of [one, other]) expect(told(bob)).toEqual([['message', 1]])
    }
  })

  test('is a new message on both as soon as HISTORY_SIZE other messages lie between the two', async () => {
    const { one, other, clock } = await openPair()
    const others = [1, 2, 3].map(() => message({ from: 'zoe' }))
    one.journal.say(first, ...others)
    clock.advance(TTL_MS + 60_000)
    one.hub.sweep()
    other.journal.say(first, ...others)
    for (const { journal } of [one, other]) journal.say(message({ from: 'anna', id: 'a-1' }))
    for (const { anna, bob } of [one, other]) {
      expect(told(bob).at(-1)).toEqual(['message', 5])
      expect(told(anna).at(-1)).toEqual(['ack', 5])
    }
  })
})

test('an instance that reads both from the history judges like one that received both', () => {
  const window = makeWindow(RETENTION)
  const now = 10 * TTL_MS
  const read = (offset: number, at: number): number | undefined =>
    window.push(messageEntry({ from: 'anna', id: 'a-1', offset, at }), {
      wallMs: now,
      monotonicMs: 0,
      isHistory: true,
    }).retryOf
  expect([read(1, now - 2 * TTL_MS), read(2, now)]).toEqual([undefined, 1])
  expect([window.first, window.offsetOf('anna', 'a-1')]).toEqual([2, 1])
})

test('HISTORY_BYTES bounds how long the server knows an id', () => {
  const window = makeWindow({ maxBytes: 250 })
  const push = (offset: number, id: string): number | undefined =>
    window.push(messageEntry({ from: 'anna', id, offset, bytes: 100 }), {
      wallMs: 0,
      monotonicMs: 0,
      isHistory: false,
    }).retryOf
  expect([push(1, 'x'), push(2, 'y'), push(3, 'y'), push(4, 'x')]).toEqual([undefined, undefined, 2, undefined])
})
