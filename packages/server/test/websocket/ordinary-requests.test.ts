/**
 * Requests with an `Upgrade` field that ask for no WebSocket, and WebSockets of other endpoints: with the server's own
 * HTTP server and beside an application on the application's HTTP server.
 */
import { once } from 'node:events'
import { createServer as createHttpServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { describe, expect, onTestFinished, test } from 'vitest'
import { createServer } from '../../src/index.js'
import { exchange, handshake } from '../support/raw-client.js'
import { startServer } from '../support/test-server.js'

interface Place {
  readonly host: string
  readonly port: number
}

const request = (lines: readonly string[], body = ''): string => `${lines.join('\r\n')}\r\n\r\n${body}`

/** Sends a request and resolves with the beginning of the answer. The client closes the connection only after that. */
async function statusLine({ host, port }: Place, text: string): Promise<string> {
  const socket = connect(port, host)
  onTestFinished(() => void socket.destroy())
  socket.write(text)
  const [chunk] = (await once(socket, 'data')) as [Buffer]
  return chunk.toString()
}

const H2C = ['Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA']

describe('on a server of our own', () => {
  test.each(['/health', '/ready', '/metrics', '/openapi.json', '/', '/ws/anna'])(
    '%s is answered though the client offers HTTP/2',
    async (path) => {
      const server = await startServer()
      const answer = await statusLine(server, request([`GET ${path} HTTP/1.1`, 'Host: a', ...H2C]))
      expect(answer).toMatch(path === '/ws/anna' ? /^HTTP\/1.1 426 / : /^HTTP\/1.1 200 /)
    },
  )

  test('a request with an offer and a body is answered, and the connection goes on', async () => {
    const adminToken = 'a token of sixteen bytes or more'
    const server = await startServer({ adminToken })
    const body = '{"timeoutSeconds":"rubbish"}'
    const post = ['POST /api/shutdown HTTP/1.1', 'Host: a', `Authorization: Bearer ${adminToken}`, ...H2C]
    const headers = ['Content-Type: application/json', `Content-Length: ${String(body.length)}`]
    const next = request(['GET /ready HTTP/1.1', 'Host: a', 'Connection: close'])
    const answer = await exchange(server, request([...post, ...headers], body) + next)
    // The body was read: it is what is wrong with the request.
    expect(answer).toMatch(/^HTTP\/1.1 400 [^]*timeoutSeconds[^]*HTTP\/1.1 200 /)
  })

  test('a request with an offer behind one that is being answered waits for its turn', async () => {
    const server = await startServer()
    const first = request(['GET /metrics HTTP/1.1', 'Host: a'])
    const second = request(['GET /ready HTTP/1.1', 'Host: a', ...H2C])
    const socket = connect(server.port, server.host)
    socket.write(first + second)
    let answers = ''
    for await (const chunk of socket) {
      answers += String(chunk)
      if (answers.includes('"status":"ready"')) break
    }
    expect(answers.indexOf('process_cpu')).toBeLessThan(answers.indexOf('"status":"ready"'))
  })

  test.each(['http://localhost/health', 'HTTP://example.org:81/health?x', 'https://a/health'])(
    'the target %s may be in absolute form',
    async (target) => {
      const server = await startServer()
      const lines = [`GET ${target} HTTP/1.1`, 'Host: a', 'Connection: close']
      expect(await exchange(server, request(lines))).toMatch(/^HTTP\/1.1 200 /)
    },
  )

  test('so may that of a handshake', async () => {
    const server = await startServer()
    expect(await exchange(server, handshake('http://localhost:1/ws/anna'))).toMatch(/^HTTP\/1.1 101 /)
  })

  test('a list of protocols with WebSocket among them is a handshake', async () => {
    const server = await startServer()
    expect(await exchange(server, handshake('/ws/anna', { Upgrade: 'h2c, WebSocket' }))).toMatch(/^HTTP\/1.1 101 /)
  })

  test('a handshake without Host, with two, or over HTTP/1.0 is answered with 400', async () => {
    const server = await startServer()
    for (const text of [
      handshake('/ws/anna', { Host: undefined }),
      handshake('/ws/anna', { host: 'other' }),
      handshake('/ws/anna').replace('HTTP/1.1', 'HTTP/1.0'),
    ]) {
      expect(await exchange(server, text)).toMatch(/^HTTP\/1.1 400 /)
    }
    expect(server.connections.getActiveCount()).toBe(0)
  })
})

describe('attached to the server of an application', () => {
  async function host(listener: RequestListener): Promise<{ http: Server; place: Place }> {
    const http = createHttpServer(listener)
    http.listen(0, '127.0.0.1')
    await once(http, 'listening')
    const server = await createServer({ journalUrl: 'memory:' })
    server.attach(http)
    onTestFinished(async () => {
      server.connections.terminateAll()
      await server.close()
      http.close()
      http.closeAllConnections()
    })
    return { http, place: { host: '127.0.0.1', port: (http.address() as AddressInfo).port } }
  }

  test('its own requests are answered with their bodies, and it can be closed', async () => {
    const { http, place } = await host((incoming, response) => {
      void text(incoming).then((body) => response.end(`${String(incoming.url)} ${body}`))
    })
    const body = 'ж'.repeat(40_000)
    const lines = ['POST /own HTTP/1.1', 'Host: a', 'Connection: Upgrade, close', 'Upgrade: foo/2']
    const length = `Content-Length: ${String(Buffer.byteLength(body))}`
    const answer = await exchange(place, request([...lines, length], body))
    expect(answer.endsWith(`/own ${body}`)).toBe(true)
    const chunked = request([...lines, 'Transfer-Encoding: chunked'], '3\r\nabc\r\n0\r\n\r\n')
    expect(await exchange(place, chunked)).toContain('/own abc')
    const closed = once(http, 'close')
    http.close()
    await closed
  })

  test('a WebSocket of another path goes to its own listener', async () => {
    const { http, place } = await host(() => undefined)
    http.on('upgrade', (incoming: { url?: string }, socket: { end: (text: string) => void }) => {
      if (incoming.url === '/theirs') socket.end('HTTP/1.1 418 Theirs\r\n\r\n')
    })
    expect(await exchange(place, handshake('/theirs'))).toMatch(/^HTTP\/1.1 418 /)
    expect(await exchange(place, handshake('/ws/anna'))).toMatch(/^HTTP\/1.1 101 /)
  })

  test('a WebSocket of an unknown path is not found', async () => {
    const { place } = await host(() => undefined)
    expect(await exchange(place, handshake('/theirs'))).toMatch(/^HTTP\/1.1 404 /)
  })

  test('two endpoints on one server each handle their own path', async () => {
    const { http, place } = await host(() => undefined)
    const second = await createServer({ journalUrl: 'memory:' })
    onTestFinished(async () => {
      second.connections.terminateAll()
      await second.close()
    })
    second.attach(http, { path: '/second' })
    expect(await exchange(place, handshake('/second/anna'))).toMatch(/^HTTP\/1.1 101 /)
    expect(await exchange(place, handshake('/third/anna'))).toMatch(/^HTTP\/1.1 404 [^]*\/ws[^]*\/second/)
  })
})
