/**
 * The outcomes of publish(): acknowledged, refused, sent again, or unknown.
 */
import { expect, test } from 'vitest'
import { ClientError } from '../src/index.js'
import type { FakeSocket } from './support/fake-socket.js'
import { reconnect, start, startOpen } from './support/setup.js'

const dataOf = (socket: FakeSocket): unknown[] => socket.sentOf('message').map(({ data }) => data)
const idOf = (socket: FakeSocket, data: unknown): string =>
  socket.sentOf('message').find((message) => message['data'] === data)?.['id'] as string
const ack = (socket: FakeSocket, data: unknown, offset: number): void =>
  socket.receive({ type: 'ack', id: idOf(socket, data), offset })
const refusal = { type: 'error', message: 'no' } as const

test('publish() resolves with the offset of the ack', async () => {
  const { client, socket } = await startOpen()
  const promise = client.publish({ text: 'hello' }, { id: 'mine' })
  expect(socket.sent).toEqual([{ type: 'message', channel: 'lobby', id: 'mine', data: { text: 'hello' } }])
  socket.receive({ type: 'ack', id: 'mine', offset: 5 })
  await expect(promise).resolves.toBe(5)
})

test('publish() to one client sends a direct message and resolves with the offset of its ack', async () => {
  const { client, socket } = await startOpen()
  const promise = client.direct('boris', null, { id: 'mine' })
  expect(socket.sent).toEqual([{ type: 'direct', to: 'boris', id: 'mine', data: null }])
  socket.receive({ type: 'ack', id: 'mine', offset: 5 })
  await expect(promise).resolves.toBe(5)
})

test('the client sends messages that were published before the connection in order when it opens', async () => {
  const { client, socket } = await start()
  for (const data of [1, 2, 3]) void client.publish(data).catch(() => undefined)
  expect(socket.sent).toEqual([])
  socket.welcome()
  expect(dataOf(socket)).toEqual([1, 2, 3])
})

test('each message names the unanswered message before it', async () => {
  const { client, socket } = await startOpen()
  for (const data of [1, 2]) void client.publish(data).catch(() => undefined)
  ack(socket, 1, 1)
  ack(socket, 2, 2)
  void client.publish(3).catch(() => undefined)
  expect(socket.sent.map(({ after }) => after)).toEqual([undefined, idOf(socket, 1), undefined])
})

test('a message without an ack is sent again with its id, after the catch-up and before newer messages', async () => {
  const setup = await startOpen()
  const first = setup.socket
  const one = setup.client.publish(1)
  void setup.client.publish(2).catch(() => undefined)
  await reconnect(setup)
  void setup.client.publish(3).catch(() => undefined)
  const { socket } = setup
  socket.welcome()
  expect(socket.sent).toEqual([{ type: 'ping' }])
  socket.receive({ type: 'ack', id: idOf(first, 1), offset: 1 })
  await expect(one).resolves.toBe(1)
  expect(socket.sentOf('message')).toEqual([])
  socket.receive({ type: 'pong', offset: 4 })
  expect(dataOf(socket)).toEqual([2, 3])
  expect(idOf(socket, 2)).toBe(idOf(first, 2))
})

test('a client without unanswered messages publishes at once after a reconnect', async () => {
  const setup = await startOpen()
  await reconnect(setup)
  void setup.client.publish(1).catch(() => undefined)
  setup.socket.welcome()
  expect(dataOf(setup.socket)).toEqual([1])
  expect(setup.socket.sentOf('ping')).toEqual([])
})

test('a client that loses a connection during the catch-up sends nothing before the next catch-up ends', async () => {
  const setup = await startOpen()
  void setup.client.publish(1).catch(() => undefined)
  await reconnect(setup)
  setup.socket.welcome()
  await reconnect(setup)
  setup.socket.welcome()
  expect(dataOf(setup.socket)).toEqual([])
  setup.socket.receive({ type: 'pong', offset: 0 })
  expect(dataOf(setup.socket)).toEqual([1])
})

test('after a loss the client reports sent messages as unknown and sends the unsent ones', async () => {
  const setup = await startOpen()
  const sent = setup.client.publish(1)
  setup.socket.end()
  void setup.client.publish(2).catch(() => undefined)
  await setup.clock.advance(1000)
  setup.socket.welcome({ recovered: false, cursor: 'f:9' })
  await expect(sent).rejects.toMatchObject({ code: 'outcome_unknown' })
  expect(dataOf(setup.socket)).toEqual([2])
})

test('a permanent refusal rejects its promise and does not delay the next message', async () => {
  const { client, socket } = await startOpen()
  const refused = client.publish(1, { channel: 'elsewhere' })
  const next = client.publish(2)
  socket.receive({ ...refusal, code: 'not_subscribed', temporary: false, id: idOf(socket, 1) })
  await expect(refused).rejects.toEqual(new ClientError('not_subscribed', 'no'))
  ack(socket, 2, 1)
  await expect(next).resolves.toBe(1)
})

test('the client sends a refused message again before it receives the refusal of its successor', async () => {
  const setup = await startOpen()
  for (const data of [1, 2, 3]) void setup.client.publish(data).catch(() => undefined)
  await reconnect(setup)
  const { client, socket } = setup
  socket.welcome()
  socket.receive({ type: 'pong', offset: 0 })
  expect(dataOf(socket)).toEqual([1, 2, 3])
  // The journal has message 1 from the old connection. The server still refuses its second copy, and the messages behind it.
  const [one, two, three] = [1, 2, 3].map((data) => idOf(socket, data))
  socket.receive({ type: 'ack', id: one as string, offset: 1 })
  socket.receive({ ...refusal, code: 'rate_limited', temporary: true, id: one as string, retryInMs: 700 })
  socket.receive({ ...refusal, code: 'out_of_order', temporary: true, id: two as string })
  // The ack of a third copy, from a third connection: more messages may be in flight again.
  socket.receive({ type: 'ack', id: one as string, offset: 1 })
  void client.publish(4).catch(() => undefined)
  expect(dataOf(socket).slice(3)).toEqual([2])
  socket.receive({ ...refusal, code: 'out_of_order', temporary: true, id: three as string })
  ack(socket, 2, 2)
  expect(dataOf(socket).slice(4)).toEqual([3, 4])
})

test('after a temporary refusal the client retries in order, one message first, at the time that the server names', async () => {
  const { client, socket, clock } = await startOpen()
  for (const data of [1, 2, 3]) void client.publish(data).catch(() => undefined)
  socket.receive({ ...refusal, code: 'rate_limited', temporary: true, id: idOf(socket, 1), retryInMs: 700 })
  socket.receive({ ...refusal, code: 'out_of_order', temporary: true, id: idOf(socket, 2) })
  socket.receive({ ...refusal, code: 'out_of_order', temporary: true, id: idOf(socket, 3) })
  void client.publish(4).catch(() => undefined)
  await clock.advance(699)
  expect(dataOf(socket)).toEqual([1, 2, 3])
  await clock.advance(1)
  expect(dataOf(socket)).toEqual([1, 2, 3, 1])
  ack(socket, 1, 1)
  expect(dataOf(socket)).toEqual([1, 2, 3, 1, 2, 3])
  ack(socket, 2, 2)
  ack(socket, 3, 3)
  expect(dataOf(socket)).toEqual([1, 2, 3, 1, 2, 3, 4])
})

test('without a hint the client waits longer after each refusal in a row', async () => {
  const { client, socket, clock } = await startOpen()
  void client.publish(1).catch(() => undefined)
  for (const [count, waitMs] of [1000, 1500, 2500].entries()) {
    socket.receive({ ...refusal, code: 'journal_unavailable', temporary: true, id: idOf(socket, 1) })
    await clock.advance(waitMs - 1)
    expect(dataOf(socket)).toHaveLength(count + 1)
    await clock.advance(1)
    expect(dataOf(socket)).toHaveLength(count + 2)
    socket.receive({ type: 'pong', offset: 0 })
  }
})

test('the client sends a message again on the next connection when the closing server refuses it', async () => {
  const setup = await startOpen()
  void setup.client.publish(1).catch(() => undefined)
  setup.socket.receive({ ...refusal, code: 'shutting_down', temporary: true, id: idOf(setup.socket, 1) })
  await setup.clock.advance(20_000)
  expect(dataOf(setup.socket)).toEqual([1])
  await reconnect(setup, 1001)
  setup.socket.welcome()
  expect(dataOf(setup.socket)).toEqual([1])
})

test('at most 64 messages are in flight', async () => {
  const { client, socket } = await startOpen()
  for (let data = 1; data <= 100; data++) void client.publish(data).catch(() => undefined)
  expect(dataOf(socket)).toHaveLength(64)
  ack(socket, 1, 1)
  expect(dataOf(socket)).toHaveLength(65)
})

test('the queue is bounded, and a full queue rejects publish()', async () => {
  const { client, socket } = await startOpen({ maxQueue: 2 })
  void client.publish(1).catch(() => undefined)
  void client.publish(2).catch(() => undefined)
  await expect(client.publish(3)).rejects.toMatchObject({ code: 'queue_full' })
  ack(socket, 1, 1)
  void client.publish(4).catch(() => undefined)
  expect(dataOf(socket)).toEqual([1, 2, 4])
})

test('after close() the rejection tells whether the client had sent the message', async () => {
  const { client } = await startOpen()
  const sent = client.publish(1)
  client.close()
  await expect(sent).rejects.toMatchObject({ code: 'outcome_unknown' })
  await expect(client.publish(2)).rejects.toMatchObject({ code: 'closed' })

  const waiting = await start()
  const unsent = waiting.client.publish(1)
  waiting.client.close()
  await expect(unsent).rejects.toMatchObject({ code: 'closed' })
})

test('two calls of publish() with the same id send one message', async () => {
  const { client, socket } = await startOpen()
  const promises = [client.publish('a', { id: 'same' }), client.publish('a', { id: 'same' })]
  expect(socket.sentOf('message')).toHaveLength(1)
  socket.receive({ type: 'ack', id: 'same', offset: 3 })
  await expect(Promise.all(promises)).resolves.toEqual([3, 3])
})

test.each([
  ['undefined', undefined, 'undefined'],
  ['a function', () => undefined, 'function'],
  ['a symbol', Symbol('s'), 'symbol'],
  ['a circle', circle(), 'circular'],
  ['a BigInt', 1n, 'stringify'],
  ['a BigInt inside', { list: [{ id: 5n }] }, 'stringify'],
  ['a Uint8Array', new Uint8Array([1]), 'base64'],
  ['a Float64Array inside', { samples: new Float64Array(2) }, 'base64'],
  ['a Buffer', Buffer.from('x'), 'base64'],
  ['an ArrayBuffer', [new ArrayBuffer(1)], 'base64'],
  ['a Map', { map: new Map([[1, 2]]) }, 'Map'],
  ['a Set', new Set([1]), 'Set'],
  ['NaN', { rate: NaN }, 'NaN'],
  ['Infinity', [Infinity], 'Infinity'],
])('%s is no JSON: rejected with what to do, not sent', async (_name, data, hint) => {
  const { client, socket } = await startOpen()
  await expect(client.publish(data)).rejects.toMatchObject({
    code: 'bad_message',
    message: expect.stringContaining(hint) as string,
  })
  await expect(client.direct('boris', data)).rejects.toMatchObject({ code: 'bad_message' })
  expect(socket.sent).toEqual([])
})

test('a value with a toJSON method is sent in that form', async () => {
  const { client, socket } = await startOpen()
  const data = { at: new Date(0), big: { toJSON: () => '12n' }, none: undefined }
  void client.publish(data).catch(() => undefined)
  expect(dataOf(socket)).toEqual([{ at: '1970-01-01T00:00:00.000Z', big: '12n' }])
})

test('the option stringify encodes the data, and its text is sent as it is', async () => {
  const texts: string[] = []
  const stringify = (data: unknown): string => (typeof data === 'bigint' ? `[ ${data}, 1e400 ]` : 'no JSON, "id":"x"')
  const { client, socket } = await startOpen({ stringify })
  const send = socket.send.bind(socket)
  socket.send = (text) => {
    texts.push(text)
    send(text)
  }
  void client.publish(738529527931269425n).catch(() => undefined)
  await expect(client.publish('other')).rejects.toMatchObject({ code: 'bad_message' })
  expect(texts).toHaveLength(1)
  expect(texts[0]).toContain('"data":[ 738529527931269425, 1e400 ]}')
})

test.each(['', 'x'.repeat(65)])('publish() rejects an id that the server would not accept: %j', async (id) => {
  const { client, socket } = await startOpen()
  await expect(client.publish(1, { id })).rejects.toMatchObject({ code: 'bad_message' })
  expect(socket.sent).toEqual([])
})

test('the client sends the data as they were at the call of publish', async () => {
  const { client, socket } = await start()
  const data = { text: 'before' }
  void client.publish(data).catch(() => undefined)
  data.text = 'after'
  socket.welcome()
  expect(dataOf(socket)).toEqual([{ text: 'before' }])
})

function circle(): unknown {
  const one: Record<string, unknown> = {}
  one['self'] = one
  return one
}
