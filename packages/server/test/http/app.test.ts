/** The answers over plain HTTP: probes, metrics, errors, and the behaviour while the server drains. */
import { once } from 'node:events'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { Registry, Counter } from 'prom-client'
import { describe, expect, test } from 'vitest'
import { HEALTH, startApp } from './start-app.js'

describe('/health', () => {
  test('reports the state of the instance, in exactly the fields of the reference', async () => {
    const { get } = await startApp()
    const answer = await get('/health')
    expect(answer.status).toBe(200)
    expect(answer.headers.get('content-type')).toBe('application/json; charset=utf-8')
    expect(answer.headers.get('cache-control')).toBe('no-store')
    expect(await answer.json()).toEqual(HEALTH)
  })

  test('stays 200 while draining, so that no liveness probe kills a draining server', async () => {
    const { get } = await startApp({
      health: () => ({ ...HEALTH, status: 'draining', shutdownInProgress: true }),
      isReady: () => false,
      isDraining: () => true,
    })
    const answer = await get('/health')
    expect(answer.status).toBe(200)
    expect(await answer.json()).toMatchObject({ status: 'draining', shutdownInProgress: true })
  })
})

describe('/ready', () => {
  test('is 200 when the server accepts new clients', async () => {
    const { get } = await startApp()
    const answer = await get('/ready')
    expect(answer.status).toBe(200)
    expect(await answer.json()).toEqual({ status: 'ready' })
  })

  test.each([
    ['shutting down', { isDraining: () => true }],
    ['journal down', { health: () => ({ ...HEALTH, journal: 'down' as const }) }],
    ['starting', {}],
  ])('is 503 and says why: %s', async (reason, deps) => {
    const { get } = await startApp({ ...deps, isReady: () => false })
    const answer = await get('/ready')
    expect(answer.status).toBe(503)
    expect(await answer.json()).toEqual({ status: 'not ready', reason })
  })

  test('follows the state from one request to the next', async () => {
    let isReady = true
    const { get } = await startApp({ isReady: () => isReady })
    expect((await get('/ready')).status).toBe(200)
    isReady = false
    expect((await get('/ready')).status).toBe(503)
  })
})

describe('/metrics', () => {
  test('answers with a prom-client registry in its own format', async () => {
    const registry = new Registry()
    new Counter({ name: 'guests_total', help: 'Guests', registers: [registry] }).inc(2)
    const { get } = await startApp({ metrics: registry })
    const answer = await get('/metrics')
    expect(answer.status).toBe(200)
    expect(answer.headers.get('content-type')).toBe(registry.contentType)
    expect(await answer.text()).toContain('guests_total 2\n')
  })

  test('is neither found nor listed when metrics are off', async () => {
    const { get } = await startApp()
    const answer = await get('/metrics')
    expect(answer.status).toBe(404)
    expect(((await answer.json()) as { message: string }).message).not.toContain('/ready, /metrics')
  })

  test('answers 500 without details when collecting fails, and logs the error', async () => {
    const errors: Error[] = []
    const failure = new Error('the collector is broken')
    const { get } = await startApp({
      metrics: { contentType: 'text/plain', metrics: () => Promise.reject(failure) },
      onError: (error) => errors.push(error),
    })
    const answer = await get('/metrics')
    expect(answer.status).toBe(500)
    expect(await answer.json()).toEqual({
      statusCode: 500,
      error: 'Internal Server Error',
      message: 'The server failed to handle this request. Its log has the cause.',
    })
    expect(errors).toEqual([failure])
  })
})

describe('while draining', () => {
  test.each([
    ['GET', '/', 200],
    ['GET', '/health', 200],
    ['HEAD', '/health', 200],
    ['GET', '/ready', 200],
    ['GET', '/openapi.json', 200],
    ['GET', '/docs', 200],
    ['GET', '/ws/anna', 426],
    ['GET', '/nothing', 404],
    ['POST', '/health', 404],
    ['GET', '/%', 400],
  ])('%s %s carries Connection: close', async (method, path, status) => {
    const { get } = await startApp({ isDraining: () => true })
    const answer = await get(path, { method })
    expect(answer.status).toBe(status)
    expect(answer.headers.get('connection')?.split(', ')).toContain('close')
  })

  test('a shutdown that begins while a request is answered already closes its connection', async () => {
    let isDraining = false
    const { get } = await startApp({
      isDraining: () => isDraining,
      metrics: {
        contentType: 'text/plain',
        metrics() {
          isDraining = true
          return Promise.resolve('')
        },
      },
    })
    expect((await get('/metrics')).headers.get('connection')).toBe('close')
  })

  test('before it, the server keeps connections', async () => {
    const { get } = await startApp()
    const answer = await get('/health')
    expect(answer.headers.get('connection')).toBe('keep-alive')
    expect(answer.headers.get('keep-alive')).toBe('timeout=60')
  })
})

describe('a WebSocket address without a WebSocket', () => {
  test.each(['/ws', '/ws/anna', '/ws/anna?cursor=e:1', '/ws/'])(
    '%s answers 426 and describes how to connect',
    async (path) => {
      const { get } = await startApp()
      const answer = await get(path)
      expect(answer.status).toBe(426)
      expect(answer.headers.get('upgrade')).toBe('websocket')
      expect(answer.headers.get('connection')).toBe('Upgrade')
      expect(((await answer.json()) as { message: string }).message).toContain('wscat -c ws://')
    },
  )

  test('a handshake reaches the upgrade listener and no route', async () => {
    const { app, port } = await startApp()
    app.server.on('upgrade', (request, socket) => {
      socket.end(`HTTP/1.1 503 Nobody\r\nConnection: close\r\nX-Path: ${request.url ?? ''}\r\n\r\n`)
    })
    const answer = await raw(
      port,
      'GET /ws/anna HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
    )
    expect(answer).toMatch(/^HTTP\/1\.1 503 Nobody\r\n[^]*X-Path: \/ws\/anna/)
  })
})

describe('errors', () => {
  test('an unknown path gets a JSON answer that lists the existing ones', async () => {
    const { get } = await startApp()
    const answer = await get('/wss/anna?token=secret')
    expect(answer.status).toBe(404)
    expect(await answer.json()).toEqual({
      statusCode: 404,
      error: 'Not Found',
      message:
        'No route matches GET /wss/anna. The server has the page /, /health, /ready, /docs, /openapi.json, and WebSockets at /ws/{clientId}.',
    })
  })

  test('the server rejects a body that is larger than its limit', async () => {
    const { get } = await startApp()
    const answer = await get('/health', { method: 'POST', body: 'x'.repeat(2000) })
    expect(answer.status).toBe(413)
    expect(await answer.json()).toMatchObject({ statusCode: 413, error: 'Payload Too Large' })
  })

  test('a failing handler costs one answer and not the server', async () => {
    let fails = true
    const { get } = await startApp({
      health() {
        if (fails) throw new Error('the password is 1234')
        return HEALTH
      },
    })
    const answer = await get('/health')
    expect(answer.status).toBe(500)
    expect(await answer.text()).not.toContain('1234')
    fails = false
    expect((await get('/health')).status).toBe(200)
  })

  test('every answer forbids sniffing and referrers', async () => {
    const { get } = await startApp()
    for (const path of ['/', '/health', '/openapi.json', '/docs', '/nothing', '/%', '/ws']) {
      const { headers } = await get(path)
      expect([path, headers.get('x-content-type-options')]).toEqual([path, 'nosniff'])
      expect([path, headers.get('referrer-policy')]).toEqual([path, 'no-referrer'])
    }
  })
})

test('HEAD has the headers of GET and no body', async () => {
  const { get } = await startApp()
  for (const path of ['/', '/health', '/ready', '/openapi.json']) {
    const [head, whole] = [await get(path, { method: 'HEAD' }), await get(path)]
    expect(head.status).toBe(200)
    expect(head.headers.get('content-type')).toBe(whole.headers.get('content-type'))
    expect(head.headers.get('content-length')).toBe(String((await whole.arrayBuffer()).byteLength))
    expect(await head.text()).toBe('')
  }
})

test('the server disconnects a client that sends its request byte by byte', async () => {
  const { app } = await startApp()
  expect(app.server.headersTimeout).toBe(10_000)
  expect(app.server.requestTimeout).toBe(15_000)
})

/** Sends one raw request, and returns everything that arrives until the end. */
async function raw(port: number, request: string): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  await once(socket, 'connect')
  socket.write(request)
  return text(socket)
}
