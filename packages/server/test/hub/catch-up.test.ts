/** Catching up: however the window is cut into chunks, the chunks together equal live delivery. */
import type { Locale } from '@lastcall/protocol'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { TransportEncoding } from '../../src/connections/encoding.js'
import type { AudienceView } from '../../src/hub/audience.js'
import { frameFor, ChunkCutter, sharedFrame, type CatchUpChunk, type Replay } from '../../src/hub/catch-up-chunks.js'
import type { Window } from '../../src/hub/window.js'
import type { Entry } from '../../src/journal/journal.js'
import {
  anyContent,
  directEntry,
  instanceEntry,
  messageEntry,
  placed,
  presenceEntry,
  SOME_CHANNELS,
  SOME_CLIENTS,
  unknownEntry,
} from '../support/entries.js'
import { expectedOf, told } from '../support/expected.js'
import { LINES, makeWindow, receivedAt } from '../support/window.js'

interface Member {
  readonly clientId: string
  readonly locale: Locale
  readonly encoding: TransportEncoding
}

const MANY_BYTES = 1_000_000

const START = { position: 0, snapshotAt: 0 }

function windowOf(contents: readonly Entry[]): { window: Window; entries: Entry[] } {
  const window = makeWindow()
  const entries = contents.map((entry, index) => ({ ...entry, offset: index + 1 }))
  for (const entry of entries) window.push(entry, receivedAt(0))
  return { window, entries }
}

const audienceOf = (channels: Iterable<string>, locale: Locale = 'uk', id = 1): AudienceView => ({
  id,
  locale,
  channels: new Set(channels),
  encoding: LINES,
})

const read = (bytes: Buffer): Record<string, unknown>[] =>
  bytes
    .toString()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>)

/** All chunks from a position to the head. */
function chunks(
  cutter: ChunkCutter,
  window: Window,
  audience: AudienceView,
  member: Member,
  from: number,
  maxBytes: () => number,
): CatchUpChunk[] {
  const all: CatchUpChunk[] = []
  for (let position = from; position < window.head;) {
    const chunk = cutter.next(audience, member, { position, snapshotAt: 0 }, maxBytes())
    expect(chunk.upTo).toBeGreaterThan(position)
    expect(chunk.upTo).toBeLessThanOrEqual(window.head)
    expect(read(chunk.bytes)).toHaveLength(chunk.count)
    all.push(chunk)
    position = chunk.upTo
  }
  return all
}

describe('of an entry', () => {
  const to = (clientId: string, entry: Entry, channels: readonly string[] = ['lobby']): string | undefined => {
    const { window } = windowOf([entry])
    const frame = frameFor(window.at(1), new Set(channels), { clientId, locale: 'uk', encoding: LINES })
    return frame && (read(frame)[0]?.['type'] as string)
  }

  test('the publisher of a message gets the ack, also for a channel that it has left', () => {
    expect(to('anna', messageEntry({ from: 'anna' }))).toBe('ack')
    expect(to('anna', messageEntry({ from: 'anna' }), [])).toBe('ack')
  })

  test('other clients get the message if they are in its channel', () => {
    expect(to('bob', messageEntry({ from: 'anna' }))).toBe('message')
    expect(to('bob', messageEntry({ from: 'anna', channel: 'news' }))).toBeUndefined()
  })

  test('a direct message reaches its recipient, its sender gets the ack, and no other client gets a frame', () => {
    const direct = directEntry({ from: 'anna', to: 'bob' })
    expect([to('anna', direct), to('bob', direct), to('cleo', direct)]).toEqual(['ack', 'direct', undefined])
    expect(to('bob', direct, [])).toBe('direct')
  })

  test('a client that sends itself a direct message gets only the ack', () => {
    expect(to('anna', directEntry({ from: 'anna', to: 'anna' }))).toBe('ack')
  })

  test('a client that joins alone gets no presence of itself', () => {
    expect(to('anna', presenceEntry({ joined: ['anna'] }))).toBeUndefined()
    expect(to('bob', presenceEntry({ joined: ['anna'] }))).toBe('presence')
  })

  test('no client gets a frame of an entry of a newer build', () => {
    expect(to('anna', unknownEntry())).toBeUndefined()
  })

  test('no client gets a frame of an entry between instances, not even a client that the entry names', () => {
    expect(to('anna', instanceEntry())).toBeUndefined()
    expect(to('anna', instanceEntry())).toBeUndefined()
  })

  test('only the sender gets a frame of a retry, with the offset of the first message', () => {
    const { window } = windowOf([messageEntry({ from: 'anna', id: 'x' }), messageEntry({ from: 'anna', id: 'x' })])
    const channels = new Set(['lobby'])
    expect(frameFor(window.at(2), channels, { clientId: 'bob', locale: 'uk', encoding: LINES })).toBeUndefined()
    expect(sharedFrame(window.at(2), { channels, locale: 'uk', encoding: LINES })).toBeUndefined()
    const ack = frameFor(window.at(2), channels, { clientId: 'anna', locale: 'uk', encoding: LINES })
    expect(ack && read(ack)).toEqual([{ type: 'ack', id: 'x', offset: 1 }])
  })

  test('a retry of a direct message does not reach the recipient', () => {
    const direct = directEntry({ from: 'anna', to: 'bob', id: 'x' })
    const { window } = windowOf([direct, direct])
    expect(frameFor(window.at(2), new Set(), { clientId: 'bob', locale: 'uk', encoding: LINES })).toBeUndefined()
  })
})

const anyEntries = fc
  .array(anyContent, { minLength: 1, maxLength: 40 })
  .map((contents) => contents.map((content) => placed(content, {})))
const anyChannels = fc.subarray([...SOME_CHANNELS])
const drawn = (sizes: Iterator<number>): number => sizes.next().value as number
const anyClient = fc.constantFrom(...SOME_CLIENTS, 'somebody')

describe('chunks', () => {
  test('of any size, from any offset, together equal live delivery', () => {
    fc.assert(
      fc.property(
        anyEntries,
        anyChannels,
        fc.constantFrom('uk' as const, 'en' as const),
        fc.nat(40),
        fc.infiniteStream(fc.oneof(fc.integer({ min: 1, max: 600 }), fc.constant(MANY_BYTES))),
        (contents, channels, locale, from, sizes) => {
          const { window, entries } = windowOf(contents)
          const start = Math.min(from, window.head)
          const cutter = new ChunkCutter(window)
          const audience = audienceOf(channels, locale)
          for (const clientId of [...SOME_CLIENTS, 'somebody']) {
            const parts = chunks(cutter, window, audience, { clientId, locale, encoding: LINES }, start, () =>
              drawn(sizes),
            )
            const expected = expectedOf(entries, { clientId, channels: new Set(channels) })
            const after = expectedOf(entries.slice(0, start), { clientId, channels: new Set(channels) }).length
            expect(told(read(Buffer.concat(parts.map(({ bytes }) => bytes))))).toEqual(expected.slice(after))
          }
        },
      ),
    )
  })

  test('are no larger than the requested size, unless a single frame is larger', () => {
    fc.assert(
      fc.property(
        anyEntries,
        anyChannels,
        anyClient,
        fc.integer({ min: 1, max: 600 }),
        (contents, channels, clientId, size) => {
          const { window } = windowOf(contents)
          const member = { clientId, locale: 'uk', encoding: LINES } as const
          for (const chunk of chunks(new ChunkCutter(window), window, audienceOf(channels), member, 0, () => size)) {
            if (chunk.count > 1) expect(chunk.bytes.length).toBeLessThanOrEqual(size)
          }
        },
      ),
    )
  })

  test('are shared by clients at the same offset that no entry in them concerns personally', () => {
    const { window } = windowOf([messageEntry({ from: 'anna' }), messageEntry({ from: 'bob' })])
    const cutter = new ChunkCutter(window)
    const audience = audienceOf(['lobby'])
    const next = (clientId: string): CatchUpChunk =>
      cutter.next(audience, { clientId, locale: 'uk', encoding: LINES }, START, MANY_BYTES)
    expect(next('cleo').bytes).toBe(next('dan').bytes)
    expect(told(read(next('anna').bytes))).toEqual([
      ['ack', 1],
      ['message', 2],
    ])
    expect(told(read(next('cleo').bytes))).toEqual([
      ['message', 1],
      ['message', 2],
    ])
  })

  test('up to the snapshot of a resuming client leave out what the snapshot contains', () => {
    const { window } = windowOf([
      messageEntry({ from: 'bob' }),
      presenceEntry({ joined: ['bob'] }),
      messageEntry({ from: 'bob' }),
      presenceEntry({ joined: ['dan'] }),
    ])
    const cutter = new ChunkCutter(window)
    const audience = audienceOf(['lobby'])
    const member = { clientId: 'cleo', locale: 'uk', encoding: LINES } as const
    const first = cutter.next(audience, member, { position: 0, snapshotAt: 3 }, MANY_BYTES)
    expect([told(read(first.bytes)), first.upTo]).toEqual([
      [
        ['message', 1],
        ['message', 3],
      ],
      3,
    ])
    expect(told(read(cutter.next(audience, member, { position: 3, snapshotAt: 3 }, MANY_BYTES).bytes))).toEqual([
      ['presence', 4],
    ])
    // A connection that is behind has no snapshot to rely on.
    expect(told(read(cutter.next(audience, member, START, MANY_BYTES).bytes))).toHaveLength(4)
  })

  test('of two audiences stay separate', () => {
    const { window } = windowOf([messageEntry({ channel: 'lobby' }), messageEntry({ channel: 'news' })])
    const cutter = new ChunkCutter(window)
    const member = { clientId: 'cleo', locale: 'uk', encoding: LINES } as const
    const offsets = (audience: AudienceView): unknown[] =>
      told(read(cutter.next(audience, member, START, MANY_BYTES).bytes)).map(([, offset]) => offset)
    expect(offsets(audienceOf(['lobby'], 'uk', 1))).toEqual([1])
    expect(offsets(audienceOf(['news'], 'uk', 2))).toEqual([2])
  })

  test('that were cached stay valid when new entries arrive', () => {
    const { window, entries } = windowOf([messageEntry(), messageEntry()])
    const cutter = new ChunkCutter(window)
    const audience = audienceOf(['lobby'])
    const member = { clientId: 'cleo', locale: 'uk', encoding: LINES } as const
    cutter.next(audience, member, START, MANY_BYTES)
    const third = messageEntry({ offset: 3 })
    window.push(third, receivedAt(0))
    const parts = chunks(cutter, window, audience, member, 0, () => MANY_BYTES)
    expect(told(read(Buffer.concat(parts.map(({ bytes }) => bytes))))).toEqual(
      expectedOf([...entries, third], { clientId: 'cleo', channels: new Set(['lobby']) }),
    )
  })

  test('are dropped when the journal is replaced', () => {
    const { window } = windowOf([messageEntry({ data: '"old"' })])
    const cutter = new ChunkCutter(window)
    const audience = audienceOf(['lobby'])
    const member = { clientId: 'cleo', locale: 'uk', encoding: LINES } as const
    cutter.next(audience, member, START, MANY_BYTES)
    window.reset(1)
    cutter.clear()
    const entry = messageEntry({ data: '"new"' })
    window.push(entry, receivedAt(0))
    expect(read(cutter.next(audience, member, START, MANY_BYTES).bytes)).toMatchObject([{ data: 'new' }])
  })
})

test('a replay in chunks of any size contains the entries of its channels and no others', () => {
  fc.assert(
    fc.property(
      anyEntries,
      fc.subarray([...SOME_CHANNELS], { minLength: 1 }),
      anyClient,
      fc.nat(40),
      fc.infiniteStream(fc.integer({ min: 1, max: 600 })),
      (contents, channels, clientId, from, sizes) => {
        const { window, entries } = windowOf(contents)
        const start = Math.min(from, window.head)
        const replay: Replay = {
          channels: new Set(channels),
          position: start,
          upTo: window.head,
          lastFrame: Buffer.alloc(0),
        }
        const cutter = new ChunkCutter(window)
        const bytes: Buffer[] = []
        while (replay.position < replay.upTo) {
          const chunk = cutter.nextOfReplay(replay, { clientId, locale: 'uk', encoding: LINES }, drawn(sizes))
          expect(chunk.upTo).toBeGreaterThan(replay.position)
          bytes.push(chunk.bytes)
          replay.position = chunk.upTo
        }
        const listener = { clientId, channels: new Set<string>(channels) }
        // A replay contains nothing of other channels and no direct messages. Live delivery of these channels continues
        // as usual.
        const isOfTheseChannels = (entry: Entry): boolean => 'channel' in entry && listener.channels.has(entry.channel)
        const expected = entries.flatMap((entry) => {
          if (entry.offset <= start || !isOfTheseChannels(entry)) return []
          const before = entries.filter(({ offset }) => offset < entry.offset)
          return expectedOf([...before, entry], listener).slice(expectedOf(before, listener).length)
        })
        expect(told(read(Buffer.concat(bytes)))).toEqual(expected)
      },
    ),
  )
})

test('a chunk ends after 4,096 entries even if none of them concerns the client', () => {
  const { window } = windowOf(Array.from({ length: 10_000 }, () => messageEntry({ channel: 'elsewhere' })))
  const cutter = new ChunkCutter(window)
  const viewer = { clientId: 'borys', locale: 'uk', encoding: LINES } as const
  const range = { channels: new Set(['lobby']), position: 0, upTo: 10_000 }
  expect(cutter.nextOfReplay(range, viewer, MANY_BYTES)).toMatchObject({ upTo: 4096, count: 0 })
  expect(cutter.next(audienceOf(['lobby']), viewer, { position: 4096, snapshotAt: 0 }, MANY_BYTES)).toMatchObject({
    upTo: 8192,
    count: 0,
  })
})
