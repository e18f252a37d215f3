/**
 * The HTTP connections that the server closes when there are too many, over real sockets.
 */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { descriptorShares } from '../../src/http/descriptors.js'
import { HttpServers } from '../../src/http/http-servers.js'
import { startApp } from './start-app.js'

async function connected(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  onTestFinished(() => void socket.destroy())
  socket.on('error', () => undefined)
  await once(socket, 'connect')
  return socket
}

/** Sends a request and resolves with the status; the connection stays open. */
async function ask(socket: Socket, path = '/ready'): Promise<number> {
  socket.write(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`)
  let text = ''
  while (!text.endsWith('}')) text += String(((await once(socket, 'data')) as [Buffer])[0])
  return Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1])
}

test('the server closes idle connections beyond the bound, the oldest first', async () => {
  const servers = new HttpServers({ keepAliveTimeoutMs: 60_000, maxIdle: 3 })
  const { port } = await startApp({ servers })
  const sockets: Socket[] = []
  const closed: Promise<unknown>[] = []
  for (let i = 0; i < 5; i++) {
    const socket = await connected(port)
    closed.push(once(socket, 'close'))
    sockets.push(socket)
    expect(await ask(socket)).toBe(200)
  }
  await Promise.all(closed.slice(0, 2))
  // A connection that sends another request becomes the youngest.
  expect(await ask(sockets[2] as Socket)).toBe(200)
  expect(await ask(await connected(port))).toBe(200)
  await closed[3]
  for (const index of [2, 4]) expect(await ask(sockets[index] as Socket)).toBe(200)
})

test('with a bound of 0 the answer still arrives', async () => {
  const { port } = await startApp({ servers: new HttpServers({ keepAliveTimeoutMs: 60_000, maxIdle: 0 }) })
  const socket = await connected(port)
  const closed = once(socket, 'close')
  expect(await ask(socket)).toBe(200)
  await closed
})

describe('when descriptors are scarce', () => {
  const shares = { lasting: 4, passing: 2 }
  const start = () => startApp({ servers: new HttpServers({ keepAliveTimeoutMs: 60_000, shares }) })

  test('the server closes the oldest idle connection for a new one', async () => {
    const { port } = await start()
    const idle = [await connected(port), await connected(port), await connected(port), await connected(port)]
    for (const socket of idle) expect(await ask(socket)).toBe(200)
    const closed = once(idle[0] as Socket, 'close')
    expect(await ask(await connected(port))).toBe(200)
    await closed
    expect(await ask(idle[3] as Socket)).toBe(200)
  })

  test('the server also closes silent connections, and answers a probe', async () => {
    const { port } = await start()
    const silent: Socket[] = []
    for (let i = 0; i < 12; i++) silent.push(await connected(port))
    expect(await ask(await connected(port))).toBe(200)
    for (const socket of silent.slice(0, 6)) if (!socket.closed) await once(socket, 'close')
    expect(await ask(silent[11] as Socket)).toBe(200)
  })
})

test.each([
  [Infinity, Infinity, Infinity],
  [1_048_576, 1_048_448, 32],
  [1024, 896, 32],
  [256, 192, 16],
  [100, 36, 16],
  [20, 8, 16],
])('of %d descriptors %d are for connections that stay, and %d for those that pass', (limit, lasting, passing) => {
  expect(descriptorShares(limit)).toEqual({ lasting, passing })
})
