/**
 * Retries with the same idempotency key: the server delivers the message once and acknowledges each with the first offset.
 */
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import type { TestClient } from '../support/test-client.js'
import { startServer, type TestServer } from '../support/test-server.js'
import { removeFolder } from '../support/remove-folder.js'

const acksOf = (client: TestClient, id: string): number[] =>
  client
    .all('ack')
    .filter((ack) => ack.id === id)
    .map(({ offset }) => offset)

/** The messages that every client has received when a marker arrives. */
async function heardBy(listener: TestClient, speaker: TestClient): Promise<unknown[]> {
  await speaker.publish('marker', { id: 'marker' })
  await listener.first('message', ({ id }) => id === 'marker')
  return listener.heard.filter((data) => data !== 'marker')
}

const quiet = (some: Parameters<typeof startServer>[0] = {}): Promise<TestServer> =>
  startServer({ presenceIntervalMs: 0, ...some })

test('after its ack', async () => {
  const server = await quiet()
  const [a, b] = [await server.connect('a'), await server.connect('b')]
  const first = await a.publish('once', { id: 'x' })
  a.send({ type: 'message', data: 'once', id: 'x' })
  expect(await heardBy(b, a)).toEqual(['once'])
  expect(acksOf(a, 'x')).toEqual([first, first])
})

test('before its ack, however often', async () => {
  const server = await quiet()
  const [a, b] = [await server.connect('a'), await server.connect('b')]
  for (let count = 0; count < 5; count++) a.send({ type: 'message', data: 'once', id: 'x' })
  expect(await heardBy(b, a)).toEqual(['once'])
  const acks = acksOf(a, 'x')
  expect(acks).toHaveLength(5)
  expect(new Set(acks).size).toBe(1)
})

test('even with other data, because the id decides', async () => {
  const server = await quiet()
  const [a, b] = [await server.connect('a'), await server.connect('b')]
  await a.publish('first', { id: 'x' })
  a.send({ type: 'message', data: 'second', id: 'x' })
  expect(await heardBy(b, a)).toEqual(['first'])
})

test('the ids of other clients, and messages without an id, are independent', async () => {
  const server = await quiet()
  const [a, b, c] = [await server.connect('a'), await server.connect('b'), await server.connect('c')]
  await a.publish(1, { id: 'x' })
  await c.publish(2, { id: 'x' })
  a.send({ type: 'message', data: 3 })
  a.send({ type: 'message', data: 3 })
  expect(await heardBy(b, a)).toEqual([1, 2, 3, 3])
})

test('after a reconnect', async () => {
  const server = await quiet()
  const [a, b] = [await server.connect('a'), await server.connect('b')]
  const first = await a.publish('once', { id: 'x' })
  a.socket.terminate()
  await b.publish('meanwhile')
  const again = await untilFree(server, 'a')
  expect(await again.publish('once', { id: 'x' })).toBe(first)
  expect(await heardBy(b, again)).toEqual(['once'])
})

test('from a connection that took over while the first one was cut between sending and ack', async () => {
  const server = await quiet()
  const [a, b] = [await server.connect('a'), await server.connect('b')]
  const { session } = await a.first('welcome')
  for (let round = 0; round < 20; round++) {
    const one = await server.connect(`a?session=${session}`)
    one.send({ type: 'message', data: round, id: `r${round}` })
    const other = await server.connect(`a?session=${session}`)
    await other.publish(round, { id: `r${round}` })
  }
  const last = await server.connect(`a?session=${session}`)
  expect(await heardBy(b, last)).toEqual(Array.from({ length: 20 }, (_, round) => round))
})

test('after a restart of the server on its file journal', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'lastcall-dedup-'))
  onTestFinished(() => removeFolder(folder))
  const journalUrl = `file:${folder}`
  const before = await quiet({ journalUrl })
  const first = await (await before.connect('a')).publish('once', { id: 'x' })
  before.connections.terminateAll()
  await before.close()

  const after = await quiet({ journalUrl })
  const [a, b] = [await after.connect('a'), await after.connect('b')]
  expect(await a.publish('once', { id: 'x' })).toBe(first)
  expect(await heardBy(b, a)).toEqual([])
  expect(acksOf(a, 'x')).toEqual([first])
})

/** Connects as soon as the name is free: the server may not have noticed yet that its connection was cut. */
async function untilFree(server: TestServer, name: string): Promise<TestClient> {
  for (;;) {
    const client = await server.connect(name).catch(() => undefined)
    if (client) return client
  }
}
