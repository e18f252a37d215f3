/**
 * The parser of a client's messages, in the strict and the plain dialect. It throws for no input.
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { MAX_CHANNELS_PER_REQUEST, parseClientMessage } from '../src/client-messages.js'
import { MAX_MESSAGE_ID_LENGTH } from '../src/identifiers.js'

const strict = (message: unknown): unknown => parseClientMessage(JSON.stringify(message), true)

const refused = (code: 'bad_message' | 'unknown_type', id?: string): unknown => ({
  type: 'refusal',
  code,
  detail: expect.stringMatching(/./) as string,
  id,
})

describe('message', () => {
  test('goes to the lobby when it names no channel, and keeps its data as JSON text', () => {
    expect(strict({ type: 'message', data: { b: [1, null, 'x'] } })).toMatchObject({
      type: 'message',
      channel: 'lobby',
      data: '{"b":[1,null,"x"]}',
      id: undefined,
    })
  })

  test('goes to the channel it names, with its id', () => {
    expect(strict({ type: 'message', channel: 'a.b:c-d_E9', data: 'hello', id: 'x' })).toMatchObject({
      type: 'message',
      channel: 'a.b:c-d_E9',
      data: '"hello"',
      id: 'x',
    })
  })

  test.each([
    ['null', null],
    ['false', false],
    ['zero', 0],
    ['an empty text', ''],
  ])('may carry %s', (_name, data) => {
    expect(strict({ type: 'message', data })).toMatchObject({ type: 'message', data: JSON.stringify(data) })
  })

  test('treats `null` as a missing field', () => {
    expect(strict({ type: 'message', channel: null, id: null, data: 1 })).toMatchObject({
      type: 'message',
      channel: 'lobby',
      data: '1',
      id: undefined,
    })
  })

  test('ignores fields it does not know', () => {
    expect(strict({ type: 'message', data: 1, colour: 'red' })).toMatchObject({ type: 'message', data: '1' })
  })

  test.each([
    ['no data', { data: undefined }],
    ['an empty channel', { channel: '' }],
    ['a channel of 65 characters', { channel: 'c'.repeat(65) }],
    ['a channel with a space', { channel: 'a b' }],
    ['a channel with a line break at its end', { channel: 'a\n' }],
    ['a channel with a Cyrillic letter', { channel: 'канал' }],
    ['a channel that is a number', { channel: 7 }],
    ['a channel that is a list', { channel: ['lobby'] }],
  ])('is refused with %s, under its id', (_name, wrong) => {
    expect(strict({ type: 'message', data: 1, id: 'mine', ...wrong })).toEqual(refused('bad_message', 'mine'))
  })

  test.each([
    ['empty', ''],
    ['longer than 64 characters', 'i'.repeat(MAX_MESSAGE_ID_LENGTH + 1)],
    ['a megabyte', 'i'.repeat(1024 * 1024)],
    ['a number', 7],
    ['an object', { toString: 'x' }],
  ])('is refused when its id is %s, and the error does not repeat the id', (_name, id) => {
    expect(strict({ type: 'message', data: 1, id })).toEqual(refused('bad_message'))
    expect(strict({ type: 'message', channel: '', data: 1, id })).toEqual(refused('bad_message'))
    expect(strict({ type: 'nonsense', id })).toEqual(refused('unknown_type'))
  })

  test('may have an id of any 64 characters', () => {
    for (const id of ['i'.repeat(64), 'ї'.repeat(64), '"\\\n\u0000', '__proto__']) {
      expect(strict({ type: 'message', data: 1, id })).toMatchObject({ type: 'message', id })
    }
  })

  test.each([
    ['nested a thousand levels deep', '['.repeat(1000) + ']'.repeat(1000)],
    ['long and flat', JSON.stringify(Array.from({ length: 5000 }, () => [{}]))],
    ['a text of brackets', JSON.stringify({ text: `"[\\${'['.repeat(5000)}`, more: '{'.repeat(5000) })],
  ])('may be %s', (_what, data) => {
    expect(parseClientMessage(`{"type":"message","data":${data}}`, true)).toMatchObject({ type: 'message', data })
  })

  test.each([1001, 30_000, 1_000_000])(
    'is refused when its data is nested %i levels deep, without a stack overflow',
    (depth) => {
      for (const [open, close] of [
        ['[', ']'],
        ['{"a":', '}'],
      ] as const) {
        const data = `${open.repeat(depth)}1${close.repeat(depth)}`
        const text = `{"type":"message","id":"deep","data":${data}}`
        expect(parseClientMessage(text, true)).toEqual(refused('bad_message', 'deep'))
      }
    },
  )
})

describe('direct', () => {
  test('names its recipient', () => {
    expect(strict({ type: 'direct', to: 'bob', data: [1], id: 'x' })).toMatchObject({
      type: 'direct',
      to: 'bob',
      data: '[1]',
      id: 'x',
    })
  })

  test.each([
    ['nobody', undefined],
    ['a name with a space', 'b ob'],
    ['a name of 65 characters', 'b'.repeat(65)],
    ['a list', ['bob']],
    ['null', null],
  ])('is refused when its recipient is %s', (_name, to) => {
    expect(strict({ type: 'direct', to, data: 1, id: 'x' })).toEqual(refused('bad_message', 'x'))
  })

  test('is refused without data', () => {
    expect(strict({ type: 'direct', to: 'bob', id: 'x' })).toEqual(refused('bad_message', 'x'))
  })
})

describe('subscribe and unsubscribe', () => {
  test('list each channel once', () => {
    expect(strict({ type: 'subscribe', channels: ['a', 'b', 'a'] })).toMatchObject({
      type: 'subscribe',
      channels: ['a', 'b'],
      since: undefined,
    })
    expect(strict({ type: 'unsubscribe', channels: ['a', 'a'] })).toMatchObject({
      type: 'unsubscribe',
      channels: ['a'],
    })
  })

  test('read `since` as a cursor', () => {
    expect(strict({ type: 'subscribe', channels: ['a'], since: 'epoch:12' })).toMatchObject({
      since: { epoch: 'epoch', offset: 12 },
    })
  })

  test.each(['', 'epoch', 'epoch:-1', 'epoch:1.5', 12, {}, [], true])(
    'report `since` %j as malformed and do not ignore it',
    (since) => {
      expect(strict({ type: 'subscribe', channels: ['a'], since })).toMatchObject({ since: 'malformed' })
    },
  )

  test('name at most a hundred channels', () => {
    const names = (count: number): string[] => Array.from({ length: count }, (_, index) => `c${String(index)}`)
    for (const type of ['subscribe', 'unsubscribe']) {
      expect(strict({ type, channels: names(MAX_CHANNELS_PER_REQUEST) })).toMatchObject({ type })
      expect(strict({ type, channels: names(MAX_CHANNELS_PER_REQUEST + 1) })).toEqual(refused('bad_message'))
    }
  })

  test.each([
    ['no channels', undefined],
    ['an empty list', []],
    ['a text', 'lobby'],
    ['an object that looks like a list', { 0: 'a', length: 1 }],
    ['one name that is none', ['a', 'b c']],
    ['a list in a list', [['a']]],
  ])('are refused with %s', (_name, channels) => {
    for (const type of ['subscribe', 'unsubscribe']) {
      expect(strict({ type, channels })).toEqual(refused('bad_message'))
    }
  })
})

test('ping needs no fields', () => {
  expect(strict({ type: 'ping' })).toEqual({ type: 'ping' })
})

describe('a text that is not a message', () => {
  const wrong: readonly (readonly [name: string, text: string, code: 'bad_message' | 'unknown_type'])[] = [
    ['no JSON', 'hello', 'bad_message'],
    ['broken JSON', '{"type":"message","data":', 'bad_message'],
    ['nothing', '', 'bad_message'],
    ['a number', '7', 'bad_message'],
    ['null', 'null', 'bad_message'],
    ['a list', '[{"type":"ping"}]', 'bad_message'],
    ['an object without a type', '{"data":1}', 'bad_message'],
    ['a type that is no text', '{"type":["ping"]}', 'bad_message'],
    ['an unknown type', '{"type":"shout","data":1}', 'unknown_type'],
    ['a type of another case', '{"type":"Ping"}', 'unknown_type'],
    ['a type of the server', '{"type":"welcome"}', 'unknown_type'],
    ['`__proto__` as its type', '{"type":"__proto__","data":1}', 'unknown_type'],
    ['`constructor` as its type', '{"type":"constructor","data":1}', 'unknown_type'],
    ['`hasOwnProperty` as its type', '{"type":"hasOwnProperty","data":1}', 'unknown_type'],
    ['its type in its prototype', '{"__proto__":{"type":"ping"}}', 'bad_message'],
  ]

  test.each(wrong)('is refused in the strict dialect: %s', (_name, text, code) => {
    expect(parseClientMessage(text, true)).toEqual(refused(code))
  })

  test.each(wrong)('is published to the lobby unchanged in the plain dialect: %s', (_name, text) => {
    expect(parseClientMessage(text, false)).toMatchObject({
      type: 'message',
      channel: 'lobby',
      data: JSON.stringify(text),
      id: undefined,
    })
  })

  test('is refused under its own id, so that the client can assign the error', () => {
    expect(strict({ type: 'shout', id: 'mine' })).toEqual(refused('unknown_type', 'mine'))
  })
})

test('a plain client may send protocol messages, too, and receives an error for a malformed one', () => {
  expect(parseClientMessage('{"type":"message","channel":"a","data":1}', false)).toMatchObject({ channel: 'a' })
  expect(parseClientMessage('{"type":"message","channel":"a b","data":1}', false)).toEqual(refused('bad_message'))
})

describe('the parser', () => {
  const anyText = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.json(),
    fc
      .record(
        {
          type: fc.oneof(fc.constantFrom('message', 'direct', 'subscribe', 'unsubscribe', 'ping'), fc.string()),
          channel: fc.anything(),
          channels: fc.anything(),
          to: fc.anything(),
          id: fc.anything(),
          since: fc.anything(),
          data: fc.anything(),
        },
        { requiredKeys: ['type'] },
      )
      .map((message) => {
        try {
          return JSON.stringify(message)
        } catch {
          return ''
        }
      }),
  )

  test('throws for no text, and every message that it accepts is within the bounds', () => {
    fc.assert(
      fc.property(anyText, fc.boolean(), (text, isStrict) => {
        const message = parseClientMessage(text, isStrict)
        if ('id' in message && message.id !== undefined) {
          expect(message.id.length).toBeGreaterThan(0)
          expect(message.id.length).toBeLessThanOrEqual(64)
        }
        if ('channel' in message) expect(message.channel).toMatch(/^[a-zA-Z0-9_.:-]{1,64}$/)
        if ('to' in message) expect(message.to).toMatch(/^[a-zA-Z0-9_-]{1,64}$/)
        if ('data' in message) JSON.parse(message.data)
      }),
      { numRuns: 2000 },
    )
  })

  test('returns the data of a message unchanged', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (data) => {
        const message = parseClientMessage(JSON.stringify({ type: 'message', data }), true)
        if (message.type !== 'message') throw new Error(message.type)
        expect(JSON.parse(message.data)).toEqual(JSON.parse(JSON.stringify(data)))
      }),
    )
  })
})
