/** The handshake: the answers to a handshake that is invalid, for another path, or rejected. */
import { createHash } from 'node:crypto'
import { EventEmitter, once } from 'node:events'
import { connect } from 'node:net'
import { SignJWT } from 'jose'
import { describe, expect, test } from 'vitest'
import { exchange, handshake, RawClient } from '../support/raw-client.js'
import { startServer, type TestServer } from '../support/test-server.js'

const SECRET = 'a secret of more than thirty-two bytes'

interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

function parse(text: string): Answer {
  const end = text.indexOf('\r\n\r\n')
  const [statusLine = '', ...lines] = text.slice(0, end).split('\r\n')
  const headers = lines.map((line) => {
    const colon = line.indexOf(':')
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()]
  })
  return {
    status: Number(statusLine.split(' ')[1]),
    headers: Object.fromEntries(headers) as Record<string, string>,
    body: text.slice(end + 4),
  }
}

const ask = async (
  server: TestServer,
  path: string,
  headers: Readonly<Record<string, string | undefined>> = {},
): Promise<Answer> => parse(await exchange(server, handshake(path, headers)))

describe('a faulty handshake', () => {
  test.each<[what: string, headers: Readonly<Record<string, string | undefined>>, status: number]>([
    ['without a key', { 'Sec-WebSocket-Key': undefined }, 400],
    ['with a key that is none', { 'Sec-WebSocket-Key': 'short' }, 400],
    ['without a version', { 'Sec-WebSocket-Version': undefined }, 400],
    ['with a version of the future', { 'Sec-WebSocket-Version': '99' }, 400],
    ['with subprotocols that are none', { 'Sec-WebSocket-Protocol': ',,' }, 400],
  ])('%s is answered with an HTTP status', async (_what, headers, status) => {
    const server = await startServer()
    expect((await ask(server, '/ws/anna', headers)).status).toBe(status)
    expect(server.connections.getActiveCount()).toBe(0)
  })

  test('of another method is refused', async () => {
    const server = await startServer()
    const text = handshake('/ws/anna').replace('GET', 'POST')
    expect(parse(await exchange(server, text)).status).toBe(405)
  })

  test('does not harm the server', async () => {
    const server = await startServer()
    await ask(server, '/ws/anna', { 'Sec-WebSocket-Key': undefined })
    const anna = await server.connect('anna')
    expect(anna.messages[0]).toMatchObject({ type: 'welcome', active: 1 })
  })
})

test('the handshake is answered as RFC 6455 section 4.2.2 has it, with the welcome behind it', async () => {
  const server = await startServer()
  const key = 'dGhlIHNhbXBsZSBub25jZQ=='
  const { status, headers } = await ask(server, '/ws/anna', {
    'Sec-WebSocket-Key': key,
    'Sec-WebSocket-Protocol': 'chat, lastcall.v1',
  })
  expect(status).toBe(101)
  expect(headers['sec-websocket-accept']).toBe('s3pPLMBiTxaQ9kYGzzhZRbK+xOo=')
  expect(headers['sec-websocket-accept']).toBe(
    createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64'),
  )
  expect(headers['sec-websocket-protocol']).toBe('lastcall.v1')
  expect(headers['sec-websocket-extensions']).toBeUndefined()
})

test('the server does not accept an unknown subprotocol, and the client stays connected', async () => {
  const server = await startServer()
  const { status, headers } = await ask(server, '/ws/anna', { 'Sec-WebSocket-Protocol': 'chat' })
  expect(status).toBe(101)
  expect(headers['sec-websocket-protocol']).toBeUndefined()
})

test('a client that resets its connection while its handshake waits does not end the server', async () => {
  const events = new EventEmitter()
  const onConnect = async ({ clientId }: { readonly clientId?: string | undefined }): Promise<undefined> => {
    if (clientId !== 'oksana') return
    const answered = once(events, 'answer')
    events.emit('asked')
    await answered
  }
  const server = await startServer({ hooks: { onConnect } })
  const asked = once(events, 'asked')
  const socket = connect(server.port, server.host)
  socket.write(handshake('/ws/oksana'))
  await asked
  socket.resetAndDestroy()
  await server.connect('roman')
  events.emit('answer')
  const zoya = await server.connect('zoya')
  expect(zoya.messages[0]).toMatchObject({ type: 'welcome', active: 2 })
})

describe('an upgrade of another address', () => {
  test.each(['/', '/wss', '/ws2/anna', '/WS/anna', '/health', '//ws/anna', 'http://localhost/other'])(
    '%s is not found',
    async (path) => {
      const server = await startServer()
      const { status, body, headers } = await ask(server, path)
      expect(status).toBe(404)
      expect(body).toContain('/ws/{clientId}')
      expect(headers['connection']).toBe('close')
      expect(Number(headers['content-length'])).toBe(Buffer.byteLength(body))
    },
  )

  test('does not keep the server from ending, though the client never hangs up', async () => {
    const server = await startServer()
    const socket = connect(server.port, server.host)
    socket.write(handshake('/elsewhere'))
    await once(socket, 'data')
    await server.close()
  })
})

describe('the name in the address', () => {
  test.each([
    ['/ws/anna', 'anna'],
    ['/ws/a%6Ena', 'anna'],
    ['/ws/A-_9', 'A-_9'],
  ])('%s is %s', async (path, clientId) => {
    const server = await startServer()
    const client = await RawClient.connect(server, path.slice('/ws/'.length))
    expect(client.messages[0]).toMatchObject({ type: 'welcome', clientId })
    client.socket.destroy()
  })

  test.each(['', '?channels=news', '/', '/?channels=news'])('may be missing: /ws%s', async (rest) => {
    const server = await startServer()
    const text = await exchange(server, handshake(`/ws${rest}`))
    expect(text).toMatch(/"clientId":"guest-[\w-]+"/)
  })

  test.each(['bad%20id', '%', '%zz', '%E0%A4%A', '%00', 'a/b', 'a%2Fb', '..', 'x'.repeat(65), '%F0%9F%91%8B'])(
    '%s is none: 1003',
    async (name) => {
      const server = await startServer({ rejectWith: 'http' })
      expect((await ask(server, `/ws/${name}`)).status).toBe(400)
    },
  )
})

describe('REJECT_WITH=http', () => {
  const rejectWith = 'http' as const

  test('reports the problem by a status, in the language of the client, and when to try again', async () => {
    const server = await startServer({ rejectWith, maxConnections: 1, authSecret: SECRET })
    const token = (sub: string): Promise<string> =>
      new SignJWT({ sub }).setProtectedHeader({ alg: 'HS256' }).sign(Buffer.from(SECRET))

    const unauthorized = await ask(server, '/ws/anna', { 'Accept-Language': 'en' })
    expect(unauthorized).toMatchObject({ status: 401, body: 'A valid token is needed\n' })
    expect(unauthorized.headers['retry-after']).toBeUndefined()
    expect((await ask(server, '/ws/anna')).body).toBe('Потрібен дійсний токен\n')
    expect((await ask(server, '/ws/bad%20id')).status).toBe(400)

    const anna = await server.connect(`anna?token=${await token('anna')}`)
    const full = await ask(server, `/ws/bob?token=${await token('bob')}`)
    expect(full).toMatchObject({ status: 503, headers: { 'retry-after': '5' } })
    await anna.leave()
  })

  test('answers 409 for a name in use, 401 for an origin, 403 for channels', async () => {
    const server = await startServer({ rejectWith, allowedOrigins: ['https://chat.example'] })
    await server.connect('anna')
    expect((await ask(server, '/ws/anna')).status).toBe(409)
    expect((await ask(server, '/ws/bob', { Origin: 'https://evil.example' })).status).toBe(401)
    expect((await ask(server, '/ws/bob', { Origin: 'https://chat.example' })).status).toBe(101)
    expect((await ask(server, '/ws/cleo?channels=a%20b')).status).toBe(403)
  })

  test('answers 503 with Retry-After during a shutdown', async () => {
    const server = await startServer({ rejectWith })
    const anna = await server.connect('anna')
    server.shutdown.begin('test')
    expect(await ask(server, '/ws/bob')).toMatchObject({ status: 503, headers: { 'retry-after': '5' } })
    await anna.leave()
  })
})

describe('a token in the handshake', () => {
  test('may be in the address or in a header', async () => {
    const server = await startServer({ authSecret: SECRET })
    const token = await new SignJWT({ sub: 'anna' }).setProtectedHeader({ alg: 'HS256' }).sign(Buffer.from(SECRET))
    for (const [query, headers] of [
      [`?token=${token}`, {}],
      ['', { authorization: `Bearer ${token}` }],
      ['', { authorization: `bearer   ${token}` }],
    ] as const) {
      const anna = await server.connect(`anna${query}`, { headers })
      await anna.leave()
    }
  })
})

test('a client that resets the connection in the middle of its handshake harms no other', async () => {
  const server = await startServer({ authSecret: SECRET })
  for (const path of ['/ws/anna?token=x', '/ws/anna', '/nowhere', '/ws/bad%20id']) {
    const socket = connect(server.port, server.host)
    await once(socket, 'connect')
    socket.write(handshake(path))
    socket.resetAndDestroy()
  }
  expect((await ask(server, '/nowhere')).status).toBe(404)
  expect(server.connections.getActiveCount()).toBe(0)
})
