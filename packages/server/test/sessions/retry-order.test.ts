/**
 * The fields with which a client publishes again without losing its order: `after`, and the id of a refused message.
 */
import { expect, test } from 'vitest'
import type { TestClient } from '../support/test-client.js'
import { startServer } from '../support/test-server.js'

interface Said {
  readonly type: 'message'
  readonly id: string
  readonly data: string
  readonly after?: string
}

/** Sends it again each time it is refused, when it may be. */
async function sendUntilTaken(client: TestClient, message: Said): Promise<void> {
  const refused = () => client.all('error').filter(({ id }) => id === message.id).length
  const isTaken = (): boolean => client.all('ack').some(({ id }) => id === message.id)
  while (!isTaken()) {
    const before = refused()
    client.send(message)
    await client.until(() => isTaken() || refused() > before)
  }
}

test('the server refuses the successor of a message that it refused temporarily', async () => {
  const server = await startServer({ presenceIntervalMs: 0, maxMessagesPerMinute: 60 })
  const boris = await server.connect('boris')
  const anna = await server.connect('anna')
  for (let i = 0; i < 60; i++) anna.send({ type: 'message', data: 'to empty the bucket' })
  anna.send({ type: 'message', id: 'a', data: 'a' })
  anna.send({ type: 'message', id: 'b', after: 'a', data: 'b' })
  anna.send({ type: 'message', id: 'c', after: 'b', data: 'c' })
  const code = async (of: string) => (await anna.first('error', ({ id }) => id === of)).code
  expect([await code('a'), await code('b'), await code('c')]).toEqual(['rate_limited', 'out_of_order', 'out_of_order'])

  await sendUntilTaken(anna, { type: 'message', id: 'a', data: 'a' })
  await sendUntilTaken(anna, { type: 'message', id: 'b', after: 'a', data: 'b' })
  await sendUntilTaken(anna, { type: 'message', id: 'c', after: 'b', data: 'c' })
  await sendUntilTaken(anna, { type: 'message', id: 'd', after: 'c', data: 'd' })
  await boris.first('message', ({ id }) => id === 'd')
  const heard = boris.all('message').filter(({ id }) => id !== undefined)
  expect(heard.map(({ data }) => data)).toEqual(['a', 'b', 'c', 'd'])
})

test('the server refuses a successor although other messages were published again after the refusal', async () => {
  const server = await startServer({ presenceIntervalMs: 0, maxMessagesPerMinute: 1 })
  const anna = await server.connect('anna')
  anna.send({ type: 'message', data: 'to empty the bucket' })
  anna.send({ type: 'message', id: 'a', data: 'a' })
  anna.send({ type: 'message', id: 'b', after: 'a', data: 'b' })
  await anna.first('error', ({ id }) => id === 'b')
  // The client has not received the second refusal yet.
  anna.send({ type: 'message', id: 'a', data: 'a' })
  anna.send({ type: 'message', id: 'c', after: 'b', data: 'c' })
  expect(await anna.first('error', ({ id }) => id === 'c')).toMatchObject({ code: 'out_of_order' })
})

test('the server remembers the last 256 refused messages', async () => {
  const server = await startServer({ presenceIntervalMs: 0, maxMessagesPerMinute: 1 })
  const anna = await server.connect('anna')
  anna.send({ type: 'message', data: 'to empty the bucket' })
  for (let i = 0; i <= 256; i++) anna.send({ type: 'message', id: `m${i}`, data: i, after: `m${i - 1}` })
  anna.send({ type: 'message', id: 'after the first', after: 'm0', data: '' })
  anna.send({ type: 'message', id: 'after the third', after: 'm2', data: '' })
  const code = async (of: string) => (await anna.first('error', ({ id }) => id === of)).code
  // The server refuses it, too, for another reason.
  expect(await code('after the first')).toBe('rate_limited')
  expect(await code('after the third')).toBe('out_of_order')
})

test('a permanently refused message does not delay its successors', async () => {
  const server = await startServer({ presenceIntervalMs: 0 })
  const anna = await server.connect('anna')
  anna.send({ type: 'message', id: 'a', channel: 'elsewhere', data: 'a' })
  anna.send({ type: 'message', id: 'b', after: 'a', data: 'b' })
  expect(await anna.first('error')).toMatchObject({ code: 'not_subscribed', temporary: false, id: 'a' })
  expect(await anna.first('ack')).toMatchObject({ id: 'b' })
})

test('the answer to subscribe and unsubscribe carries the id of the request, and so does its refusal', async () => {
  const server = await startServer({ presenceIntervalMs: 0 })
  const anna = await server.connect('anna')
  anna.send({ type: 'subscribe', id: '1', channels: ['news'] })
  expect(await anna.first('subscribed')).toMatchObject({ id: '1', channels: ['news'] })
  anna.send({ type: 'unsubscribe', id: '2', channels: ['news'] })
  expect(await anna.first('unsubscribed')).toMatchObject({ id: '2', channels: ['news'] })
  const tooMany = Array.from({ length: 100 }, (_, i) => `channel-${i}`)
  anna.send({ type: 'subscribe', id: '3', channels: tooMany })
  expect(await anna.first('error')).toMatchObject({ id: '3', code: 'forbidden' })
})
