/**
 * The delivery of a batch: the index selects the entries for each client, the work grows with the number of delivered frames,
 * and a long fan-out yields to the event loop.
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { AudienceView } from '../../src/hub/audience.js'
import { Batch } from '../../src/hub/batch.js'
import { frameFor } from '../../src/hub/catch-up-chunks.js'
import type { WindowEntry } from '../../src/hub/window.js'
import { anyContent, messageEntry, placed, SOME_CHANNELS, SOME_CLIENTS } from '../support/entries.js'
import { openHub, turns, type Member } from '../support/test-hub.js'
import { LINES, makeWindow, receivedAt } from '../support/window.js'

const audienceOf = (channels: readonly string[]): AudienceView => ({
  id: 1,
  locale: 'uk',
  channels: new Set(channels),
  encoding: LINES,
})

test('delivery by the index writes the same frames in the same order as a check of each entry', () => {
  fc.assert(
    fc.property(fc.array(anyContent, { maxLength: 30 }), fc.subarray([...SOME_CHANNELS]), (contents, channels) => {
      const window = makeWindow()
      const items = contents.map((content, index) => window.push(placed(content, { offset: index + 1 }), receivedAt(0)))
      const audience = audienceOf(channels)
      const batch = new Batch(items)
      const shared = batch.sharedBy(audience)
      for (const clientId of [...SOME_CLIENTS, 'zoe']) {
        const viewer = { clientId, locale: 'uk', encoding: LINES } as const
        const expected = items.flatMap((item) => frameFor(item, audience.channels, viewer) ?? [])
        const { bytes, count } = batch.of(viewer, audience.channels, shared)
        expect(bytes.toString()).toBe(Buffer.concat(expected).toString())
        expect(count).toBe(expected.length)
        if (clientId === 'zoe') expect(shared.bytes.toString()).toBe(bytes.toString())
      }
    }),
  )
})

test('a batch for a thousand clients in a thousand channels reads each entry a few times, not a thousand', () => {
  const window = makeWindow()
  let looks = 0
  const items = Array.from({ length: 1000 }, (_, index): WindowEntry => {
    const name = String(index)
    const item = window.push(messageEntry({ offset: index + 1, from: name, channel: name }), receivedAt(0))
    return {
      get entry() {
        looks++
        return item.entry
      },
      frames: item.frames,
      retryOf: item.retryOf,
    }
  })
  const batch = new Batch(items)
  for (let index = 0; index < 1000; index++) {
    const audience = audienceOf([String(index)])
    const { count } = batch.of(
      { clientId: String(index), locale: 'uk', encoding: LINES },
      audience.channels,
      batch.sharedBy(audience),
    )
    expect(count).toBe(1)
  }
  expect(looks).toBeLessThanOrEqual(4 * 1000)
})

/** Members whose sockets take this long for each write. */
const slowly = (member: Member, advance: (ms: number) => void, writeMs = 0.1): Member => {
  const { transport } = member
  const write = transport.write.bind(transport)
  transport.write = (frames) => {
    advance(writeMs)
    write(frames)
  }
  return member
}

test('a fan-out that has used the time of its turn up leaves the next one to the next turn', async () => {
  const { journal, clock, join } = await openHub()
  const members = Array.from({ length: 1000 }, (_, index) =>
    slowly(join(`c${String(index)}`), (ms) => clock.advance(ms), 0.02),
  )
  const reached = (): number => members.reduce((sum, { transport }) => sum + transport.writes.length, 0)
  const say = (id: string): void => journal.say(messageEntry({ node: 'other', from: 'zoe', id }))
  say('first')
  say('second')
  expect(reached()).toBe(1000)
  while (reached() < 2000) await turns(1)
  for (const { transport } of members) expect(transport.messages.map(({ id }) => id)).toEqual(['first', 'second'])
})

test('a long fan-out continues in later turns, and every client receives all of it once and in order', async () => {
  const { hub, journal, clock, join, stats } = await openHub()
  const members = Array.from({ length: 1000 }, (_, index) =>
    slowly(join(`c${String(index)}`), (ms) => clock.advance(ms)),
  )
  const say = (id: string): void => journal.say(messageEntry({ node: 'other', from: 'c7', id }))
  const reached = (): number => members.filter(({ transport }) => transport.writes.length > 0).length
  say('first')
  expect(reached()).toBeGreaterThanOrEqual(200)
  expect(reached()).toBeLessThan(400)
  say('second')
  for (let round = 0; hub.delivery.catchUps.size > 0 && round < 1000; round++) await turns(1)
  for (const { transport, connection } of members) {
    expect(transport.messages.map(({ id, type }) => `${String(type)} ${String(id)}`)).toEqual(
      ['first', 'second'].map((id) => (connection.clientId === 'c7' ? `ack ${id}` : `message ${id}`)),
    )
  }
  expect(stats.deliveries).toBe(2000)
  // From the next turn with time on, the hub delivers to these connections live again.
  await turns(1)
  const before = members.map(({ transport }) => transport.writes.length)
  journal.say(
    messageEntry({ node: 'other', from: 'c7', channel: 'elsewhere' }),
    messageEntry({ node: 'other', from: 'zoe' }),
  )
  expect(hub.delivery.catchUps.size).toBeLessThan(members.length)
  expect(members[8]?.transport.writes.length).toBe((before[8] ?? 0) + 1)
})
