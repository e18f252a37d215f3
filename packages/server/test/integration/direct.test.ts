/**
 * Direct messages reach one client on any connection, also after an absence.
 */
import { expect, test } from 'vitest'
import { startServer } from '../support/test-server.js'

test('a direct message reaches its recipient, its sender gets the ack, and no other client gets a frame', async () => {
  const server = await startServer({ presenceIntervalMs: 0 })
  const [a, b, c] = [await server.connect('a'), await server.connect('b'), await server.connect('c')]
  a.send({ type: 'direct', to: 'b', data: { secret: 1 }, id: 'x' })
  const { offset } = await a.first('ack', ({ id }) => id === 'x')
  expect(await b.first('direct')).toEqual({
    type: 'direct',
    from: 'a',
    data: { secret: 1 },
    id: 'x',
    offset,
    at: expect.stringMatching(/Z$/) as string,
  })
  await a.publish('marker')
  await c.first('message')
  expect(c.heard).toEqual(['marker'])
  expect(a.heard).toEqual([])
})

test('the server delivers a repeated direct message once, and acknowledges both with the same offset', async () => {
  const server = await startServer({ presenceIntervalMs: 0 })
  const [a, b] = [await server.connect('a'), await server.connect('b')]
  for (let count = 0; count < 2; count++) a.send({ type: 'direct', to: 'b', data: 1, id: 'x' })
  await a.publish('marker')
  await b.first('message')
  expect(b.heard).toEqual([1, 'marker'])
  const acks = a.all('ack').filter(({ id }) => id === 'x')
  expect(acks).toHaveLength(2)
  expect(new Set(acks.map(({ offset }) => offset)).size).toBe(1)
})

test('a client that was disconnected gets it when it resumes with its cursor', async () => {
  const server = await startServer({ presenceIntervalMs: 0 })
  const [a, b] = [await server.connect('a'), await server.connect('b')]
  const { cursor } = b
  await b.leave()
  a.send({ type: 'direct', to: 'b', data: 'while you were out', id: 'x' })
  await a.first('ack')
  const back = await server.connect(`b?cursor=${cursor}`)
  expect((await back.first('direct')).data).toBe('while you were out')
})

test('a direct message reaches a client that shares no channel with its publisher', async () => {
  const server = await startServer({ presenceIntervalMs: 0 })
  const [a, b] = [await server.connect('a'), await server.connect('b')]
  b.send({ type: 'unsubscribe', channels: ['lobby'] })
  await b.first('unsubscribed')
  a.send({ type: 'direct', to: 'b', data: 1 })
  expect(await b.first('direct')).toMatchObject({ from: 'a', data: 1 })
})

test('the server accepts a direct message to an absent client, which may connect later', async () => {
  const server = await startServer({ presenceIntervalMs: 0 })
  const a = await server.connect('a')
  a.send({ type: 'direct', to: 'nobody', data: 1, id: 'x' })
  expect(await a.first('ack')).toMatchObject({ id: 'x' })
})
