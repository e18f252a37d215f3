/**
 * Frames: the JSON of an entry for clients.
 */
import type { Locale, PresenceMessage } from '@lastcall/protocol'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { UTF8_ENCODING } from '../../src/connections/encoding.js'
import { localized } from '../../src/frames.js'
import { Frames } from '../../src/hub/frames.js'
import type { Entry } from '../../src/journal/journal.js'
import { directEntry, messageEntry, presenceEntry } from '../support/entries.js'

const AT = Date.UTC(2026, 0, 2, 3, 4, 5, 678)

function counting(): { encode: (text: string) => Buffer; texts: string[] } {
  const texts: string[] = []
  return {
    texts,
    encode(text) {
      texts.push(text)
      return Buffer.from(text)
    },
  }
}

const LOBBY = new Set(['lobby'])

const said = (entry: Entry, locale: Locale = 'uk'): unknown =>
  JSON.parse(new Frames(entry, entry.at, UTF8_ENCODING).forAudience(locale, LOBBY).toString())

const acked = (entry: Entry, offset: number): unknown =>
  JSON.parse(new Frames(entry, entry.at, UTF8_ENCODING).ack(offset).toString())

test('a message has its sender, channel, data, offset and time', () => {
  const data = JSON.stringify({ 'ключ "x"': ['\u2028', null] })
  expect(said(messageEntry({ offset: 7, at: AT, channel: 'a.b:c', from: 'anna', id: 'x', data }))).toEqual({
    type: 'message',
    channel: 'a.b:c',
    from: 'anna',
    data: { 'ключ "x"': ['\u2028', null] },
    id: 'x',
    offset: 7,
    at: '2026-01-02T03:04:05.678Z',
  })
})

test('a direct message names its sender and no channel', () => {
  expect(said(directEntry({ offset: 8, at: AT, from: 'anna', to: 'bob', data: '"hi"' }))).toEqual({
    type: 'direct',
    from: 'anna',
    data: 'hi',
    offset: 8,
    at: '2026-01-02T03:04:05.678Z',
  })
})

describe('presence', () => {
  const entry = presenceEntry({ offset: 9, joined: ['anna'], left: ['bob'], count: 3 })

  test.each([
    ['uk', 'Приєдналися: anna. Вийшли: bob. Зараз на звʼязку: 3.'],
    ['en', 'Joined: anna. Left: bob. Connected now: 3.'],
  ] as const)('has a text in the language of its receiver: %s', (locale, text) => {
    expect(said(entry, locale)).toEqual({
      type: 'presence',
      changes: [{ channel: 'lobby', joined: ['anna'], left: ['bob'], joinedCount: 1, leftCount: 1, count: 3 }],
      offset: 9,
      text,
    })
  })
})

describe('presence in several channels', () => {
  const entry = {
    ...presenceEntry({ offset: 9 }),
    changes: [
      { channel: 'lobby', joined: ['anna'], left: [], count: 2 },
      { channel: 'news', joined: [], left: ['bob'], count: 1 },
    ],
  }
  const read = (frames: Frames, ...channels: string[]): PresenceMessage =>
    JSON.parse(frames.forAudience('en', new Set(channels)).toString()) as PresenceMessage

  test('is one frame with the changed channels of its receivers', () => {
    const frames = new Frames(entry, 0, UTF8_ENCODING)
    expect(read(frames, 'lobby', 'news').changes.map(({ channel }) => channel)).toEqual(['lobby', 'news'])
    expect(read(frames, 'news', 'sport').changes.map(({ channel }) => channel)).toEqual(['news'])
  })

  test('is encoded once for all audiences that have the same changed channels', () => {
    const { encode, texts } = counting()
    const frames = new Frames(entry, 0, { ...UTF8_ENCODING, encode })
    frames.forAudience('en', new Set(['news', 'sport']))
    frames.forAudience('en', new Set(['news', 'weather']))
    expect(texts).toHaveLength(1)
  })

  test('names fifty clients per channel and a thousand in all, and counts the rest', () => {
    const crowd = Array.from({ length: 80 }, (_, index) => `client-${index}`)
    const channels = Array.from({ length: 30 }, (_, index) => `channel-${index}`)
    const changes = channels.map((channel) => ({ channel, joined: crowd, left: [], count: 80 }))
    const told = read(new Frames({ ...entry, changes }, 0, UTF8_ENCODING), ...channels)
    const expected = channels.map((_, index) => (index < 20 ? 50 : 0))
    expect(told.changes.map(({ joined }) => joined.length)).toEqual(expected)
    expect(told.changes.every(({ joinedCount }) => joinedCount === 80)).toBe(true)
  })
})

test('an ack has the id of the message and the given offset', () => {
  expect(acked(messageEntry({ offset: 7, id: 'x' }), 3)).toEqual({ type: 'ack', id: 'x', offset: 3 })
  expect(acked(directEntry({ offset: 7, id: 'y' }), 7)).toEqual({ type: 'ack', id: 'y', offset: 7 })
})

test('a message without an id has none in any frame', () => {
  expect(said(messageEntry())).not.toHaveProperty('id')
  expect(acked(messageEntry({ offset: 7 }), 7)).toEqual({ type: 'ack', offset: 7 })
})

test('any id and any data come through as they were', () => {
  const ids = fc.oneof(
    fc.string({ unit: 'binary', minLength: 1, maxLength: 64 }),
    fc.constantFrom('"', '\\', '"}', '\n', '\u0000', '\ud800', '👋🏽', '\u2028'),
  )
  fc.assert(
    fc.property(ids, fc.jsonValue(), (id, value) => {
      const data = JSON.stringify(value)
      for (const entry of [messageEntry({ id, data }), directEntry({ id, data })]) {
        expect(said(entry)).toMatchObject({ id })
        expect((said(entry) as { data: unknown }).data).toEqual(JSON.parse(data))
        expect(acked(entry, 1)).toEqual({ type: 'ack', id, offset: 1 })
      }
    }),
  )
})

test('a message is encoded once for everybody, presence once per language', () => {
  const message = counting()
  const frames = new Frames(messageEntry(), 0, { ...UTF8_ENCODING, encode: message.encode })
  for (const locale of ['uk', 'en', 'uk'] as const) {
    expect(frames.forAudience(locale, LOBBY)).toBe(frames.forAudience('uk', LOBBY))
  }
  expect(message.texts).toHaveLength(1)

  const presence = counting()
  const presenceFrames = new Frames(presenceEntry(), 0, { ...UTF8_ENCODING, encode: presence.encode })
  for (const locale of ['uk', 'en', 'uk', 'en'] as const) presenceFrames.forAudience(locale, LOBBY)
  expect(presence.texts).toHaveLength(2)
})

test('an entry is not encoded before a connection needs its frame', () => {
  const { encode, texts } = counting()
  const frames = new Frames(messageEntry({ data: '"once"' }), 0, { ...UTF8_ENCODING, encode })
  expect([frames.entry.offset, texts]).toEqual([1, []])
  frames.forAudience('uk', LOBBY)
  expect(texts).toHaveLength(1)
})

test('a frame carries the time that the window assigns to its entry', () => {
  const frames = new Frames(messageEntry({ at: 5 }), AT, UTF8_ENCODING)
  expect(JSON.parse(frames.forAudience('uk', LOBBY).toString())).toMatchObject({ at: '2026-01-02T03:04:05.678Z' })
})

test('only the frame retains the data', () => {
  const frames = new Frames(messageEntry({ data: '"once"' }), 0, UTF8_ENCODING)
  expect(frames.forAudience('uk', LOBBY).toString()).toContain('"once"')
  expect(JSON.stringify(frames.entry)).not.toContain('once')
})

test('a localized message is built once per language', () => {
  const made: Locale[] = []
  const frameFor = localized(
    (text) => Buffer.from(text),
    (locale) => {
      made.push(locale)
      return { type: 'shutdownCancelled', text: locale }
    },
  )
  expect(['uk', 'en', 'uk'].map((locale) => frameFor(locale as Locale).toString())).toEqual([
    '{"type":"shutdownCancelled","text":"uk"}',
    '{"type":"shutdownCancelled","text":"en"}',
    '{"type":"shutdownCancelled","text":"uk"}',
  ])
  expect(made).toEqual(['uk', 'en'])
})

test('a frame in another encoding has the same text, also when only the first frame retains the data', () => {
  const upperCase = { ...UTF8_ENCODING, name: 'upper', encode: (text: string) => Buffer.from(text.toUpperCase()) }
  const frames = new Frames(messageEntry({ data: '"once"' }), 0, UTF8_ENCODING)
  const first = frames.forAudience('uk', LOBBY).toString()
  const other = frames.forAudience('uk', LOBBY, upperCase)
  expect(other.toString()).toBe(first.toUpperCase())
  expect(frames.forAudience('en', LOBBY, upperCase).toString()).toBe(first.toUpperCase())
  expect(frames.forAudience('uk', LOBBY, upperCase)).toBe(other)
  expect(frames.ack(7, upperCase).toString()).toContain('"OFFSET":7')
})
