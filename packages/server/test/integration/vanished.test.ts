/**
 * Clients that vanish: in the middle of a broadcast, of a close, or silently.
 */
import { once } from 'node:events'
import { expect, test } from 'vitest'
import { RawClient } from '../support/raw-client.js'
import { startServer } from '../support/test-server.js'

test('a client that is cut off in the middle of a broadcast does not stop it', async () => {
  const server = await startServer({ presenceIntervalMs: 0 })
  const speaker = await server.connect('speaker')
  const clients = await Promise.all(Array.from({ length: 20 }, (_, index) => server.connect(`c${index}`)))
  for (let index = 0; index < 200; index++) {
    speaker.send({ type: 'message', data: index })
    if (index % 20 === 10) clients[index / 20 - 0.5]?.socket.terminate()
  }
  await speaker.publish('marker')
  for (const client of clients.slice(10)) {
    await client.first('message', ({ data }) => data === 'marker')
    expect(client.heard).toHaveLength(201)
  }
})

test('the server announces a leave even when a broadcast meets the connection between its close and its end', async () => {
  const server = await startServer({ presenceIntervalMs: 10 })
  const watcher = await server.connect('watcher')
  const a = await RawClient.connect(server, 'a')
  await watcher.presence(({ joined }) => joined.includes('a'))
  a.sendClose(1000)
  await a.closeFrame
  // The closing handshake is over, and the client has not ended its TCP connection yet.
  server.connections.broadcast('{"type":"shutdownCancelled","text":"anything"}')
  a.socket.end()
  await watcher.presence(({ left }) => left.includes('a'))
  expect(server.connections.getActiveCount()).toBe(1)
  await a.ended
  await server.connect('a')
})

test('the server writes nothing after a close frame of either side', async () => {
  const server = await startServer({ presenceIntervalMs: 0 })
  const speaker = await server.connect('speaker')
  const clients = await Promise.all(Array.from({ length: 20 }, (_, index) => RawClient.connect(server, `c${index}`)))
  for (const [index, client] of clients.entries()) {
    for (let count = 0; count < 10; count++) speaker.send({ type: 'message', data: count })
    if (index % 2 === 0) client.sendClose(1000)
    else server.connections.get(`c${index}`)?.close({ why: 'request', code: 1000, reason: 'shuttingDown' })
    await speaker.publish('between')
  }
  await Promise.all(clients.map(({ closeFrame }) => closeFrame))
  await speaker.publish('afterwards')
  for (const client of clients) client.socket.end()
  await Promise.all(clients.map(({ ended }) => ended))
  expect(clients.map(({ framesAfterClose }) => framesAfterClose)).toEqual(clients.map(() => 0))
})

test('a client that resets its connection leaves', async () => {
  const server = await startServer({ presenceIntervalMs: 10 })
  const watcher = await server.connect('watcher')
  const a = await RawClient.connect(server, 'a')
  await watcher.presence(({ joined }) => joined.includes('a'))
  a.socket.resetAndDestroy()
  await watcher.presence(({ left }) => left.includes('a'))
  expect(server.connections.getActiveCount()).toBe(1)
})

test('a client that half-closes its connection leaves, and the server does not write to it for ever', async () => {
  const server = await startServer({ presenceIntervalMs: 0 })
  const a = await RawClient.connect(server, 'a')
  const ended = new Promise<number>((resolve) =>
    server.connections.observe({ onDisconnect: (_connection, code) => resolve(code) }),
  )
  a.socket.end()
  expect(await ended).toBe(1006)
  await a.ended
})

test('the heartbeat terminates a client that answers no ping, and no other', async () => {
  const server = await startServer({ heartbeatIntervalSeconds: 0.2, presenceIntervalMs: 10 })
  const alive = await server.connect('alive')
  const dead = await server.connect('dead', { autoPong: false })
  await once(dead.socket, 'ping')
  expect(await dead.closed).toMatchObject({ code: 1006 })
  await alive.presence(({ left }) => left.includes('dead'))
  await once(alive.socket, 'ping')
  await once(alive.socket, 'ping')
  await alive.publish('still here')
})

test('a client that sends messages stays connected, whether it answers pings or not', async () => {
  const server = await startServer({ heartbeatIntervalSeconds: 0.2, presenceIntervalMs: 0 })
  const talker = await server.connect('talker', { autoPong: false })
  for (let ping = 0; ping < 5; ping++) {
    await talker.publish(ping)
    await once(talker.socket, 'ping')
  }
  await talker.publish('still here')
})
