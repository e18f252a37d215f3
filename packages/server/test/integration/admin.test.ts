/** The protection of the HTTP routes for operators: headers, a port of their own, and a limit on wrong tokens. */
import { describe, expect, test } from 'vitest'
import { RecordingLogger } from '../support/recording-logger.js'
import { exchange, handshake } from '../support/raw-client.js'
import { startServer } from '../support/test-server.js'

const adminToken = 'admin-token-of-some-length'

describe('every answer', () => {
  test.each([
    '/',
    '/page/page.js',
    '/health',
    '/docs',
    '/openapi.json',
    '/metrics',
    '/api/shutdown',
    '/ws/a',
    '/no',
    '/%',
  ])('%s carries the headers that protect its reader', async (path) => {
    const server = await startServer({ adminToken })
    const { headers } = await fetch(new URL(path, server.httpUrl))
    expect(headers.get('content-security-policy')).toContain("frame-ancestors 'none'")
    expect(headers.get('content-security-policy')).toContain("default-src 'none'")
    expect(headers.get('x-content-type-options')).toBe('nosniff')
    expect(headers.get('referrer-policy')).toBe('no-referrer')
    // Without TLS the field has no meaning.
    expect(headers.has('strict-transport-security')).toBe(false)
  })

  test.each([
    ['to a handshake of another path', handshake('/no')],
    ['to a faulty handshake', handshake('/ws/a', { 'Sec-WebSocket-Key': undefined })],
    ['to a rejected handshake', handshake('/ws/bad%20id')],
    ['to what is no HTTP', 'rubbish\r\n\r\n'],
    ['to a request without Host', 'GET /health HTTP/1.1\r\n\r\n'],
    ['to a header section that is too large', `GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`],
  ])('%s carries them, too', async (_what, text) => {
    const server = await startServer({ rejectWith: 'http' })
    const answer = (await exchange(server, text)).toLowerCase()
    expect(answer).toMatch(/^http\/1.1 4\d\d /)
    expect(answer).toContain("\r\ncontent-security-policy: default-src 'none'")
    expect(answer).toContain('\r\nx-content-type-options: nosniff\r\n')
    expect(answer).toContain('\r\nreferrer-policy: no-referrer\r\n')
  })
})

describe('ADMIN_PORT', () => {
  test('answers a request that offers another protocol', async () => {
    const { adminUrl = '' } = await startServer({ adminPort: 0, adminToken })
    const { hostname: host, port } = new URL(adminUrl)
    const offer =
      'Connection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA'
    const text = `GET /metrics HTTP/1.1\r\nHost: a\r\n${offer}\r\n\r\n`
    expect(await exchange({ host, port: Number(port) }, text)).toMatch(/^HTTP\/1.1 200 /)
  })

  test('serves the routes for operators, and PORT does not', async () => {
    const server = await startServer({ adminPort: 0, adminToken })
    const { httpUrl, adminUrl = '' } = server
    expect(new URL(adminUrl).hostname).toBe('127.0.0.1')
    for (const path of ['/metrics', '/docs', '/openapi.json', '/api/shutdown']) {
      const headers = { authorization: `Bearer ${adminToken}` }
      expect([path, (await fetch(new URL(path, httpUrl), { headers })).status]).toEqual([path, 404])
      expect([path, (await fetch(new URL(path, adminUrl), { headers })).status]).toEqual([path, 200])
    }
    for (const path of ['/', '/health', '/ready']) {
      expect([path, (await fetch(new URL(path, httpUrl))).status]).toEqual([path, 200])
    }
    expect((await fetch(new URL('/health', adminUrl))).status).toBe(200)
    const { paths } = (await (await fetch(new URL('/openapi.json', adminUrl))).json()) as { paths: object }
    expect(Object.keys(paths)).toEqual(expect.arrayContaining(['/metrics', '/api/shutdown', '/ws/{clientId}', '/']))
  })

  test('is closed with the server', async () => {
    const server = await startServer({ adminPort: 0 })
    await server.close()
    await expect(fetch(server.adminUrl ?? '')).rejects.toThrow()
  })
})

describe('guesses at ADMIN_TOKEN', () => {
  test('get 20 answers per minute and one log line per kind, and the right token still works', async () => {
    const logger = new RecordingLogger()
    const server = await startServer({ adminToken, logger })
    const ask = async (token: string): Promise<number> =>
      (await fetch(new URL('/api/shutdown', server.httpUrl), { headers: { authorization: `Bearer ${token}` } })).status
    const statuses: number[] = []
    for (let guess = 0; guess < 24; guess++) statuses.push(await ask(`guess-${String(guess)}`))
    expect(statuses).toEqual([...Array<number>(20).fill(401), ...Array<number>(4).fill(429)])
    expect(await ask(adminToken)).toBe(200)
    expect(await ask('once more')).toBe(429)
    expect((await fetch(new URL('/api/shutdown', server.httpUrl))).status).toBe(401)
    expect(logger.all('admin.wrong_token').map(({ fields }) => fields)).toEqual([
      { address: '127.0.0.1', isBlocked: false },
      { address: '127.0.0.1', isBlocked: true },
    ])
    expect(JSON.stringify(logger.lines)).not.toContain('guess-')
  })

  test('count for the client, not for the trusted proxy before it', async () => {
    const server = await startServer({ adminToken, trustProxy: ['127.0.0.0/8'] })
    const ask = async (forwardedFor: string): Promise<number> => {
      const headers = { authorization: 'Bearer wrong', 'x-forwarded-for': forwardedFor }
      return (await fetch(new URL('/api/shutdown', server.httpUrl), { headers })).status
    }
    for (let guess = 0; guess < 20; guess++) await ask('198.51.100.7')
    expect(await ask('198.51.100.7')).toBe(429)
    expect(await ask('198.51.100.8')).toBe(401)
  })
})

describe('the log', () => {
  test('contains the address of a client, from the proxy if that is trusted', async () => {
    const logger = new RecordingLogger()
    const server = await startServer({ trustProxy: ['loopback'], logger })
    const headers = { 'x-forwarded-for': '192.0.2.33, 198.51.100.7' }
    const a = await server.connect('a', { headers })
    expect(logger.all('connect')[0]?.fields).toMatchObject({ clientId: 'a', address: '198.51.100.7' })
    await exchange(server, handshake('/ws/bad%20id', { 'X-Forwarded-For': '203.0.113.5' }))
    expect((await logger.first('rejected')).fields).toMatchObject({ address: '203.0.113.5' })
    a.socket.send(Buffer.from([1]))
    expect((await logger.first('abuse')).fields).toMatchObject({ clientId: 'a', address: '198.51.100.7', code: 1003 })
  })

  test('ignores the address that a client names itself', async () => {
    const logger = new RecordingLogger()
    const server = await startServer({ logger })
    await server.connect('a', { headers: { 'x-forwarded-for': '192.0.2.33' } })
    expect(logger.all('connect')[0]?.fields).toMatchObject({ address: '127.0.0.1' })
  })

  test('contains no address when LOG_ADDRESSES is off', async () => {
    const logger = new RecordingLogger()
    const server = await startServer({ logger, logAddresses: false, adminToken })
    const a = await server.connect('a')
    await exchange(server, handshake('/ws/a'))
    await fetch(new URL('/api/shutdown', server.httpUrl), { headers: { authorization: 'Bearer wrong' } })
    a.socket.send(Buffer.from([1]))
    await logger.first('disconnect')
    const lines = logger.lines.filter(({ event }) => event !== 'listening')
    expect(lines.map(({ event }) => event)).toEqual(expect.arrayContaining(['rejected', 'abuse', 'admin.wrong_token']))
    expect(JSON.stringify(lines)).not.toContain('127.0.0.1')
  })
})

test('close codes outside the protocol share one label', async () => {
  const server = await startServer()
  for (const code of [3007, 4321, 4999]) {
    const client = await server.connect(`c${String(code)}`)
    client.socket.close(code)
    await client.closed
  }
  while (server.connections.getActiveCount() > 0) await new Promise((resolve) => setImmediate(resolve))
  const lines = (await server.metrics()).split('\n').filter((line) => line.startsWith('lastcall_disconnects_total{'))
  expect(lines).toEqual(['lastcall_disconnects_total{code="other"} 3'])
})
