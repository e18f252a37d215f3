/**
 * https and wss on the port.
 */
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { get } from 'node:https'
import { connect } from 'node:net'
import { json } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import { CA, certFile, keyFile, shownAt } from '../support/certificates.js'
import { startServer } from '../support/test-server.js'

const TLS = { tlsCert: certFile('first'), tlsKey: keyFile('first') }

test('a conversation, a health check and a shutdown over TLS', async () => {
  const server = await startServer(TLS)
  expect(server.webSocketUrl).toMatch(/^wss:/)
  const [a, b] = [await server.connect('a', { ca: CA }), await server.connect('b', { ca: CA })]
  await a.publish('x'.repeat(50_000))
  expect((await b.first('message')).data).toHaveLength(50_000)

  const [response] = (await once(get(new URL('health', server.httpUrl), { ca: CA, agent: false }), 'response')) as [
    NodeJS.ReadableStream,
  ]
  expect(await json(response)).toMatchObject({ status: 'healthy', activeConnections: 2 })
  expect(await shownAt(server.port)).toBe('first')

  const report = server.close()
  await Promise.all([a.first('shutdown'), b.first('shutdown')])
  expect([await a.leave(), await b.leave()].map(({ code }) => code)).toEqual([1000, 1000])
  expect(await report).toMatchObject({ left: 2, lost: 0, bytesUnflushed: 0 })
})

test('every answer over TLS tells browsers to use TLS only', async () => {
  const server = await startServer(TLS)
  for (const path of ['health', 'ready', 'missing', '']) {
    const request = get(new URL(path, server.httpUrl), { ca: CA, agent: false })
    const [answer] = (await once(request, 'response')) as [IncomingMessage]
    expect(answer.resume().headers['strict-transport-security'], path).toBe('max-age=31536000')
  }
})

test('a peer without TLS is disconnected, and no other client is affected', async () => {
  const server = await startServer(TLS)
  const a = await server.connect('a', { ca: CA })
  const socket = connect(server.port, '127.0.0.1')
  socket.on('error', () => undefined)
  socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
  socket.resume()
  await once(socket, 'close')
  expect(await a.publish('still here')).toBeGreaterThan(0)
})

test('a connection that begins no handshake does not delay a shutdown', async () => {
  const server = await startServer(TLS)
  const socket = connect(server.port, '127.0.0.1')
  socket.on('error', () => undefined)
  socket.resume()
  await once(socket, 'connect')
  // The server has accepted this connection when it has accepted a later one.
  await (await server.connect('a', { ca: CA })).leave()
  const closed = once(socket, 'close')
  expect(await server.close()).toMatchObject({ remaining: 0 })
  await closed
})
