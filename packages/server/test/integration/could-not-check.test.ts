/** A client gets "try again later" and no rejection for good when the server cannot make a check. */
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { runInNewContext } from 'node:vm'
import { exportJWK, generateKeyPair, SignJWT, type CryptoKey } from 'jose'
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import type { Hooks } from '../../src/index.js'
import { RecordingLogger } from '../support/recording-logger.js'
import { exchange, handshake } from '../support/raw-client.js'
import { TestClient } from '../support/test-client.js'
import { startServer, type TestServer } from '../support/test-server.js'

const never = new Promise<never>(() => undefined)

/** Connects, and returns how the server ended that. */
async function rejected(server: TestServer, path: string): Promise<unknown> {
  const client = await TestClient.connect(`${server.webSocketUrl}/${path}`, { protocol: 'lastcall.v1' })
  const { code } = await client.closed
  return { code, told: client.messages }
}

const UNAVAILABLE = {
  code: 1013,
  told: [{ type: 'rejected', code: 1013, reason: 'Зараз це неможливо перевірити: спробуйте пізніше' }],
}

describe('the keys of the issuer', () => {
  let key: CryptoKey
  let jwk: object
  beforeAll(async () => {
    const pair = await generateKeyPair('ES256')
    key = pair.privateKey
    jwk = { ...(await exportJWK(pair.publicKey)), kid: 'k1', alg: 'ES256' }
  })

  const tokenOf = (kid = 'k1', signingKey = key): Promise<string> =>
    new SignJWT({ sub: 'olha' }).setProtectedHeader({ alg: 'ES256', kid }).sign(signingKey)

  async function issuer(listener: RequestListener): Promise<string> {
    const server = createServer(listener)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => {
      server.close()
      server.closeAllConnections()
    })
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys`
  }

  const answerKeys =
    (...keys: readonly object[]): RequestListener =>
    (_request, response) =>
      response.end(JSON.stringify({ keys }))

  test.each<[how: string, listener: RequestListener]>([
    ['answer 500', (_request, response) => response.writeHead(500).end('{}')],
    ['redirect', (_request, response) => response.writeHead(302, { location: '/elsewhere' }).end()],
    ['are no JSON', (_request, response) => response.end('<html>')],
    ['are no set of keys', (_request, response) => response.end('[]')],
    ['are an empty set', (_request, response) => response.end('{"keys":[]}')],
    ['are cut off', (_request, response) => void response.write('{"keys":', () => response.destroy())],
    ['never end', endless],
  ])('that %s are no reason to refuse a token', async (_how, listener) => {
    const logger = new RecordingLogger()
    const server = await startServer({ authJwksUrl: await issuer(listener), logger })
    expect(await rejected(server, `olha?token=${await tokenOf()}`)).toEqual(UNAVAILABLE)
    expect(await rejected(server, `olha?token=${await tokenOf()}`)).toEqual(UNAVAILABLE)
    expect(logger.all('keys.unavailable')).toMatchObject([{ level: 'error' }])
    expect(await server.metrics()).toMatch(/dependency_failures_total\{dependency="jwks"\} [1-9]/)
    expect(await server.metrics()).toContain('rejections_total{reason="unavailable"} 2')
  })

  test('that cannot be reached lead to 503 with Retry-After over HTTP', async () => {
    const server = await startServer({ authJwksUrl: 'http://127.0.0.1:9/keys', rejectWith: 'http' })
    const answer = await exchange(server, handshake(`/ws/olha?token=${await tokenOf()}`))
    expect(answer).toMatch(/^HTTP\/1.1 503 /)
    expect(answer).toMatch(/\r\nRetry-After: \d+\r\n/)
  })

  test('are fetched once for all handshakes that wait', async () => {
    let fetched = 0
    const url = await issuer((request, response) => {
      fetched++
      setImmediate(() => answerKeys(jwk)(request, response as never))
    })
    const server = await startServer({ authJwksUrl: url })
    const token = await new SignJWT({}).setProtectedHeader({ alg: 'ES256', kid: 'k1' }).sign(key)
    await Promise.all(['a', 'b', 'c', 'd', 'e'].map((name) => server.connect(`${name}?token=${token}`)))
    expect(fetched).toBe(1)
  })

  test('are fetched again for a missing key, and stay in use while that fails', async () => {
    const next = await generateKeyPair('ES256')
    const nextJwk = { ...(await exportJWK(next.publicKey)), kid: 'k2', alg: 'ES256' }
    let listener = answerKeys(jwk)
    const logger = new RecordingLogger()
    const url = await issuer((request, response) => listener(request, response))
    const server = await startServer({ authJwksUrl: url, logger })
    await server.connect(`olha?token=${await tokenOf()}`)

    listener = (_request, response) => response.writeHead(503).end()
    expect(await rejected(server, `olha?token=${await tokenOf('k2', next.privateKey)}`)).toEqual(UNAVAILABLE)
    await server.connect(`olha?token=${await tokenOf()}`)

    listener = answerKeys(jwk, nextJwk)
    await server.connect(`olha?token=${await tokenOf('k2', next.privateKey)}`)
    await logger.first('keys.available')
    // The server rejects a token whose key the issuer certainly does not publish.
    expect(await rejected(server, `olha?token=${await tokenOf('k3', next.privateKey)}`)).toMatchObject({ code: 1008 })
  })
})

/** More than anybody may keep: the answer ends when its reader hangs up. */
function endless(_request: unknown, response: Parameters<RequestListener>[1]): void {
  const chunk = Buffer.alloc(65_536, ' ')
  let bytes = 0
  const write = (): void => {
    if (response.destroyed || bytes > 64 * 1024 ** 2) return
    bytes += chunk.length
    response.write(chunk, write)
  }
  write()
}

describe('onConnect', () => {
  test.each<[what: string, onConnect: () => unknown]>([
    [
      'throws',
      () => {
        throw new Error('the database is down')
      },
    ],
    ['rejects', () => Promise.reject(new Error('the database is down'))],
    ['answers null', () => null],
    ['answers a text', () => Promise.resolve('yes')],
    [
      'answers a promise of another realm that rejects',
      (): unknown => runInNewContext('Promise.reject(new Error("no"))'),
    ],
    [
      'answers something whose `then` throws',
      () => ({
        get then(): never {
          throw new Error('no')
        },
      }),
    ],
  ])('that %s is neither yes nor no, and one line in the log', async (_what, onConnect) => {
    const logger = new RecordingLogger()
    const server = await startServer({ hooks: { onConnect } as Hooks, logger })
    expect(await rejected(server, 'petro')).toEqual(UNAVAILABLE)
    expect(logger.all('hook.failed')).toMatchObject([
      { level: 'error', fields: { hook: 'onConnect', clientId: 'petro' } },
    ])
    expect(await server.metrics()).toContain('dependency_failures_total{dependency="onConnect"} 1')
  })

  test.each([
    ['another realm', () => runInNewContext('Promise.resolve(false)') as Promise<boolean>],
    ['a library', () => ({ then: (resolve: (answer: boolean) => void) => resolve(false) }) as Promise<boolean>],
  ])('refuses with a promise of %s', async (_whose, onConnect) => {
    const server = await startServer({ hooks: { onConnect } })
    expect(await rejected(server, 'petro')).toMatchObject({ code: 1008 })
  })

  test('receives the handshake as plain data', async () => {
    let request: unknown
    const server = await startServer({ hooks: { onConnect: (asked) => void (request = asked) } })
    await server.connect('petro?channels=a', { headers: { cookie: 'x=1' } })
    expect(request).toMatchObject({
      clientId: 'petro',
      request: { url: '/ws/petro?channels=a', headers: { cookie: 'x=1' }, remoteAddress: '127.0.0.1' },
    })
    expect(structuredClone(request)).toEqual(request)
  })

  test('that never answers ends after HANDSHAKE_TIMEOUT', async () => {
    const logger = new RecordingLogger()
    const server = await startServer({ hooks: { onConnect: () => never }, handshakeTimeoutSeconds: 0.05, logger })
    expect(await rejected(server, 'petro')).toEqual(UNAVAILABLE)
    expect(logger.all('hook.failed')).toMatchObject([{ fields: { hook: 'onConnect' } }])
  })

  test('that answers too late lets no client connect', async () => {
    let answer: (isAllowed: boolean) => void = () => undefined
    const onConnect = (): Promise<boolean> => new Promise((resolve) => (answer = resolve))
    const server = await startServer({ hooks: { onConnect }, handshakeTimeoutSeconds: 0.05 })
    expect(await rejected(server, 'petro')).toEqual(UNAVAILABLE)
    answer(true)
    await new Promise((resolve) => setImmediate(resolve))
    expect(server.connections.getActiveCount()).toBe(0)
  })

  test('that never answers does not circumvent MAX_CONNECTIONS', async () => {
    let asked = 0
    const server = await startServer({
      maxConnections: 3,
      hooks: {
        onConnect: () => {
          asked++
          return never
        },
      },
    })
    const paths = ['a', 'b', 'c', 'd', 'e', 'f']
    const ends: unknown[] = []
    for (const path of paths) void rejected(server, path).then((end) => ends.push(end))
    while (ends.length < 3) await new Promise((resolve) => setImmediate(resolve))
    expect(asked).toBe(3)
    expect(ends).toMatchObject([{ code: 1013 }, { code: 1013 }, { code: 1013 }])
  })

  test('that never answers does not delay a shutdown', async () => {
    let asked: () => void = () => undefined
    const wasAsked = new Promise<void>((resolve) => (asked = resolve))
    const server = await startServer({
      hooks: {
        onConnect: () => {
          asked()
          return never
        },
      },
    })
    const end = rejected(server, 'petro')
    await wasAsked
    await server.close()
    expect(await end).toMatchObject({ code: 1001 })
  })
})

test('a connected client may connect again when there is no room for others', async () => {
  const server = await startServer({ maxConnections: 1, hooks: { onConnect: () => Promise.resolve(true) } })
  const petro = await server.connect('petro')
  const { session } = await petro.first('welcome')
  await server.connect(`petro?session=${session}`)
  expect(await petro.closed).toMatchObject({ code: 4001 })
})
