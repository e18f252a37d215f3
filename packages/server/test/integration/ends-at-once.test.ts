/**
 * Hundreds of connections that end in the same turn of the event loop: the server handles a bounded number of ends in each
 * turn, and all their names are free at once. The tests count the ends of each turn and do not measure time.
 */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { expect, test, vi } from 'vitest'
import { CA, certFile, keyFile } from '../support/certificates.js'
import { clientFrame, handshake, OPCODES, RawClient } from '../support/raw-client.js'
import { startServer, type TestServer } from '../support/test-server.js'
import type { ServerOptions } from '../../src/index.js'

// Hundreds of handshakes take a busy machine more than the usual 30 s.
vi.setConfig({ testTimeout: 120_000 })

const COUNT = 500

/** The server handles 128 in a turn. Until a socket is closed, up to two further turns pass, so that three turns can meet. */
const MOST_IN_A_TURN = 3 * 128

class Crowd {
  /** The close code of each client whose end the server has handled. */
  readonly codes = new Map<string, number>()
  /** How many ends the server has handled in each turn. */
  readonly turns: number[] = []
  readonly clients: RawClient[] = []
  #isNewTurn = true
  #wake: (() => void) | undefined

  async start(count = COUNT, options: ServerOptions = {}): Promise<TestServer> {
    const server = await startServer({
      ...{ presenceIntervalMs: 0, hooks: { onDisconnect: ({ clientId, code }) => this.#ended(clientId, code) } },
      ...options,
    })
    while (this.clients.length < count) {
      const names = Array.from({ length: 50 }, (_, index) => `c${String(this.clients.length + index)}`)
      this.clients.push(...(await Promise.all(names.map((name) => RawClient.connect(server, name)))))
    }
    return server
  }

  #ended(clientId: string, code: number): void {
    if (this.#isNewTurn) {
      this.#isNewTurn = false
      this.turns.push(0)
      setImmediate(() => (this.#isNewTurn = true))
    }
    this.turns.push((this.turns.pop() ?? 0) + 1)
    this.codes.set(clientId, code)
    this.#wake?.()
  }

  async ended(count = COUNT): Promise<void> {
    while (this.codes.size < count) await new Promise<void>((resolve) => (this.#wake = resolve))
  }

  get codesSeen(): number[] {
    return [...new Set(this.codes.values())]
  }
}

test.each([
  ['end their side', (client: RawClient) => client.socket.destroy()],
  ['are reset', (client: RawClient) => client.socket.resetAndDestroy()],
])('the ends of connections that %s in one turn are handled over several turns', async (_, cut) => {
  const crowd = new Crowd()
  await crowd.start()
  for (const client of crowd.clients) cut(client)
  await crowd.ended()
  expect(crowd.codesSeen).toEqual([1006])
  expect(Math.max(...crowd.turns)).toBeLessThanOrEqual(MOST_IN_A_TURN)
})

test('another client gets the name of a connection whose end waits for its turn', async () => {
  const crowd = new Crowd()
  const server = await crowd.start()
  for (const { socket } of crowd.clients) socket.destroy()
  // Without their sessions the server cannot know that they are the same clients.
  const last = Array.from({ length: 20 }, (_, index) => `c${String(COUNT - 1 - index)}`)
  const newcomers = await Promise.all(last.map((name) => server.connect(name)))
  await crowd.ended()
  expect(server.connections.getActiveCount()).toBe(newcomers.length)
  for (const newcomer of newcomers) await newcomer.publish('here')
})

test('the server reads frames that clients sent before their end, and uses the codes of their close frames', async () => {
  const crowd = new Crowd()
  const server = await crowd.start()
  const reader = await server.connect('reader')
  for (const { socket } of crowd.clients) {
    socket.write(clientFrame(OPCODES.text, JSON.stringify({ type: 'message', data: 'goodbye' })))
    socket.end(clientFrame(OPCODES.close, Buffer.from([3001 >> 8, 3001 & 255])))
  }
  await crowd.ended()
  expect(crowd.codesSeen).toEqual([3001])
  expect(Math.max(...crowd.turns)).toBeLessThanOrEqual(MOST_IN_A_TURN)
  await reader.until(() => reader.messages.filter(({ type }) => type === 'message').length === COUNT)
})

test('a shutdown that begins while ends wait counts each connection once', async () => {
  const crowd = new Crowd()
  const server = await crowd.start()
  for (const { socket } of crowd.clients) socket.destroy()
  // The first end shows that the others are waiting.
  while (crowd.codes.size === 0) await new Promise((resolve) => setImmediate(resolve))
  await server.close()
  expect(crowd.codes.size).toBe(COUNT)
  expect(crowd.codesSeen).toEqual([1006])
  expect(server.connections.getActiveCount()).toBe(0)
})

test.each([
  ['end their side', (socket: Socket) => socket.destroy()],
  ['are reset', (socket: Socket) => socket.resetAndDestroy()],
])('TLS connections that %s in one turn all end, those whose end waits for its turn, too', async (_, cut) => {
  const crowd = new Crowd()
  const server = await crowd.start(0, { tlsCert: certFile('first'), tlsKey: keyFile('first') })
  const count = 128 + 20
  const sockets: Socket[] = []
  while (sockets.length < count) sockets.push(await overTls(server, `c${String(sockets.length)}`))
  for (const socket of sockets) cut(socket)
  await crowd.ended(count)
  expect(crowd.codesSeen).toEqual([1006])
})

/** A client over TLS: the socket beneath it. */
async function overTls({ host, port }: TestServer, clientId: string): Promise<Socket> {
  const socket = connect(port, host)
  socket.on('error', () => undefined)
  const secure = connectTls({ socket, ca: CA, checkServerIdentity: () => undefined })
  secure.on('error', () => undefined)
  secure.write(handshake(`/ws/${clientId}`))
  await once(secure, 'data')
  return socket
}
