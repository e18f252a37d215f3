/**
 * Malformed frames: the client reports them as `bad_frame` and never throws from a socket's handler.
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readFrame } from '../src/frames.js'
import { reconnect, start, startOpen } from './support/setup.js'

describe('a server of another protocol', () => {
  const foreign = [
    ['a welcome without fields', '{"type":"welcome"}'],
    ['a welcome with channels that are no list', welcome({ channels: 'lobby' })],
    ['a welcome with a number as its cursor', welcome({ cursor: 12 })],
    ['a welcome with a cursor of 257 characters', welcome({ cursor: 'c'.repeat(257) })],
    ['a welcome with a space in its cursor', welcome({ cursor: 'a b' })],
    ['a welcome with a text as its heartbeat', welcome({ heartbeatSeconds: '25' })],
    ['an object without a type', '{"sid":"abc","upgrades":[]}'],
    ['a list', '[{"type":"welcome"}]'],
    ['null', 'null'],
    ['no JSON', '0{"sid":"x"}'],
    ['a binary frame', new ArrayBuffer(3)],
  ] as const

  test.each(foreign)(
    'loses the client after %s: the client reports an error and reconnects after a pause',
    async (_name, frame) => {
      const setup = await start()
      setup.socket.receiveText(frame)
      expect(setup.events.error.map(({ code }) => code)).toEqual(['bad_frame', 'connect_failed'])
      expect(setup.events.error[1]?.details).toMatchObject({ code: 1006, attempt: 1, nextAttemptInMs: 4500 })
      expect(setup.socket.closedWith).toBe(1000)
      await setup.clock.advance(4500)
      expect(setup.sockets).toHaveLength(2)
      setup.socket.welcome()
      expect(setup.client.state).toBe('open')
    },
  )
})

test('the client reports a malformed frame and receives the next one', async () => {
  const setup = await startOpen()
  for (const frame of [
    '{"type":"message","channel":"lobby","from":"b","data":1,"offset":"7"}',
    '{"type":"message","channel":"lobby","from":"b","offset":7}',
    '{"type":"message","channel":"lobby","from":"b","data":1,"offset":7,"cursor":""}',
    '{"type":"subscribed"}',
    '{"type":"shutdown","leaveInMs":"soon"}',
    '{"type":"error"}',
    'no JSON',
  ]) {
    setup.socket.receiveText(frame)
  }
  setup.socket.receiveMessage(8)
  expect(setup.events.error.map(({ code }) => code)).toEqual(Array(7).fill('bad_frame'))
  expect(setup.events.message.map(({ offset }) => offset)).toEqual([8])
  expect(setup.client.state).toBe('open')
})

test('the client ignores frames of unknown types before the welcome and after it', async () => {
  const setup = await start()
  setup.socket.receiveText('{"type":"news from the future"}')
  setup.socket.welcome()
  setup.socket.receiveText('{"type":"constructor"}')
  setup.socket.receiveText('{"type":"__proto__","offset":99}')
  setup.socket.receiveMessage(1)
  await reconnect(setup)
  expect(setup.events.error).toEqual([])
  expect(setup.socket.parameter('cursor')).toBe('e:1')
})

const value = fc.oneof(
  fc.constantFrom(null, '', 'lobby', 'e:5', -1, 0, 5, 1.5, 1e300, true, false),
  fc.constant(['lobby']),
  fc.jsonValue({ maxDepth: 1 }),
)
const FIELDS = 'clientId session cursor recovered channels node build heartbeatSeconds channel from data id offset at'
const fields = `${FIELDS} code message temporary retryInMs phase deadlineInMs leaveInMs returnInMs joined left`.split(
  ' ',
)
const type = fc.constantFrom(
  ...['welcome', 'rejected', 'message', 'direct', 'ack', 'presence', 'periodic', 'shutdown', 'shutdownCancelled'],
  ...['subscribed', 'unsubscribed', 'error', 'pong', 'other'],
)
const frame = fc.tuple(type, fc.dictionary(fc.constantFrom(...fields), value, { maxKeys: 12 }))

test('the client throws for no frame, and each message that it emits satisfies its type', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(frame, { maxLength: 20 }), fc.boolean(), async (frames, isOpen) => {
      const setup = await (isOpen ? startOpen() : start())
      for (const [type, others] of frames) setup.socket.receiveText(JSON.stringify({ ...others, type }))
      for (const { channel, from, offset } of setup.events.message) {
        expect([typeof channel, typeof from, Number.isSafeInteger(offset)]).toEqual(['string', 'string', true])
      }
      setup.client.close()
    }),
    { numRuns: 500 },
  )
})

test('readFrame returns or throws an Error for any text', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json(), fc.anything()), (text) => {
      try {
        readFrame(text)
      } catch (error) {
        expect(error).toBeInstanceOf(Error)
      }
    }),
  )
})

describe('the option parse', () => {
  const parse = (json: string): unknown => JSON.parse(json.replace(/\d{17,}/g, '"$&n"'))

  test('reads the data of channel and direct messages, and nothing else', async () => {
    const { socket, events } = await startOpen({ parse })
    socket.receiveText(
      '{"type":"message","channel":"lobby","from":"b","data":{"id":738529527931269425},"offset":7,"at":""}',
    )
    socket.receiveText('{"type":"direct","from":"b","data":[12345678901234567890],"offset":8,"at":""}')
    expect(events.message[0]).toMatchObject({ data: { id: '738529527931269425n' }, offset: 7 })
    expect(events.direct[0]).toMatchObject({ data: ['12345678901234567890n'], offset: 8 })
  })

  test('drops the message and reports an error when it throws, and the connection stays open', async () => {
    const problem = new Error('cannot read this')
    const { socket, events, client } = await startOpen({
      parse: (json) => {
        if (json.includes('bad')) throw problem
        return JSON.parse(json) as unknown
      },
    })
    socket.receiveMessage(1, 'bad')
    socket.receiveMessage(2, 'good')
    expect(events.error).toMatchObject([{ code: 'bad_frame', cause: problem }])
    expect(events.message.map(({ data }) => data)).toEqual(['good'])
    expect(client.state).toBe('open')
  })
})

function welcome(wrong: object): string {
  const right = { clientId: 'anna', session: 's', cursor: 'e:0', recovered: null, channels: [], node: 'n' }
  return JSON.stringify({ type: 'welcome', ...right, heartbeatSeconds: 25, ...wrong })
}
