/** Which clients the server rejects, and how a client sees the rejection. */
import { SignJWT } from 'jose'
import { describe, expect, test } from 'vitest'
import { TestClient, type TestClientOptions } from '../support/test-client.js'
import { startServer, type TestServer } from '../support/test-server.js'

const SECRET = 'a secret of more than thirty-two bytes'

const tokenOf = (payload: Record<string, unknown>): Promise<string> =>
  new SignJWT(payload).setProtectedHeader({ alg: 'HS256' }).sign(Buffer.from(SECRET))

const inSeconds = (seconds: number): number => Math.floor(Date.now() / 1000) + seconds

/** Connects, and returns how the connection ended. No frame may arrive before. */
async function turnedAway(
  server: TestServer,
  path: string,
  options?: TestClientOptions,
): Promise<{ code: number; reason: string; told: number }> {
  const client = await TestClient.connect(`${server.webSocketUrl}/${path}`, options)
  return { ...(await client.closed), told: client.messages.length }
}

describe('a name that is none', () => {
  test.each(['bad%20id', 'a%2Fb', 'x'.repeat(65), '%D0%B0'])('%s leads to 1003 and a reason', async (name) => {
    const server = await startServer()
    expect(await turnedAway(server, name)).toEqual({
      code: 1003,
      reason: expect.stringContaining('clientId') as string,
      told: 0,
    })
  })

  test('gets a reason in the language of the client', async () => {
    const server = await startServer()
    const { reason } = await turnedAway(server, 'bad%20id', { headers: { 'accept-language': 'en' } })
    expect(reason).toMatch(/^Invalid clientId/)
  })
})

describe('where tokens are asked for', () => {
  const start = (): Promise<TestServer> => startServer({ authSecret: SECRET, presenceIntervalMs: 0 })

  test('the server rejects a missing, a wrong and an expired token and one for another client with 1008', async () => {
    const server = await start()
    for (const token of [
      undefined,
      'nonsense',
      await new SignJWT({ sub: 'anna' }).setProtectedHeader({ alg: 'HS256' }).sign(Buffer.alloc(32, 'x')),
      await tokenOf({ sub: 'anna', exp: inSeconds(-10) }),
      await tokenOf({ sub: 'bob' }),
    ]) {
      const query = token === undefined ? '' : `?token=${token}`
      expect(await turnedAway(server, `anna${query}`)).toEqual({
        code: 1008,
        reason: 'Потрібен дійсний токен',
        told: 0,
      })
    }
    expect(server.connections.getActiveCount()).toBe(0)
  })

  test('the server accepts a token for the name, and a token for any name', async () => {
    const server = await start()
    await server.connect(`anna?token=${await tokenOf({ sub: 'anna' })}`)
    await server.connect(`bob?token=${await tokenOf({})}`)
    expect(server.connections.getActiveCount()).toBe(2)
  })

  test('the token names a client that requests no name', async () => {
    const server = await start()
    const client = await TestClient.connect(
      `${server.webSocketUrl.replace(/\/$/, '')}?token=${await tokenOf({ sub: 'anna' })}`,
    )
    expect(await client.first('welcome')).toMatchObject({ clientId: 'anna' })
  })

  test('the server closes a connection with 1008 when its token expires', async () => {
    const server = await start()
    const [a, b] = [
      await server.connect(`a?token=${await tokenOf({ sub: 'a', exp: inSeconds(2) })}`),
      await server.connect(`b?token=${await tokenOf({ sub: 'b' })}`),
    ]
    await a.publish('still here')
    expect(await a.closed).toEqual({ code: 1008, reason: 'Термін дії токена минув' })
    await b.publish('still here')
  })

  test('a token limits the channels to which its client can subscribe and publish', async () => {
    const server = await start()
    const a = await server.connect(`a?channels=news.world&token=${await tokenOf({ sub: 'a', channels: ['news.*'] })}`)
    expect(await a.first('welcome')).toMatchObject({ channels: ['news.world'] })
    a.send({ type: 'subscribe', channels: ['news.sport', 'secret'] })
    expect(await a.first('error')).toMatchObject({ code: 'forbidden', temporary: false })
    a.send({ type: 'message', channel: 'lobby', data: 1, id: 'x' })
    expect(await a.first('error', ({ id }) => id === 'x')).toMatchObject({ code: 'forbidden' })
    a.send({ type: 'subscribe', channels: ['news.sport'] })
    await a.first('subscribed')
    await a.publish('ok', { channel: 'news.sport' })
    expect(
      await turnedAway(server, `b?channels=secret&token=${await tokenOf({ sub: 'b', channels: ['news.*'] })}`),
    ).toMatchObject({
      code: 1008,
    })
  })
})

test('the server rejects a forbidden origin with 1008, and accepts a client without an origin, which is no browser', async () => {
  const server = await startServer({ allowedOrigins: ['https://chat.example'] })
  expect(await turnedAway(server, 'a', { origin: 'https://evil.example' })).toMatchObject({ code: 1008, told: 0 })
  await server.connect('a', { origin: 'https://chat.example' })
  await server.connect('b')
})

test('the server rejects one client more than MAX_CONNECTIONS with 1013, and accepts it when there is room', async () => {
  const server = await startServer({ maxConnections: 2 })
  const a = await server.connect('a')
  await server.connect('b')
  expect(await turnedAway(server, 'c')).toMatchObject({ code: 1013, told: 0 })
  await a.leave()
  await gone(server, 'a')
  await server.connect('c')
})

describe('a name that is connected', () => {
  test('is refused to another client with 4009, and its holder stays', async () => {
    const server = await startServer({ presenceIntervalMs: 0 })
    const [a, b] = [await server.connect('a'), await server.connect('b')]
    expect(await turnedAway(server, 'a')).toEqual({ code: 4009, reason: 'Це імʼя вже зайняте', told: 0 })
    const { session } = await b.first('welcome')
    expect(await turnedAway(server, `a?session=${session}`)).toMatchObject({ code: 4009 })
    await a.publish('still here')
  })

  test('goes to a connection with its session: the old one is closed with 4001, and no client receives a leave', async () => {
    const server = await startServer({ presenceIntervalMs: 10 })
    const [b, a] = [await server.connect('b'), await server.connect('a')]
    await b.presence(({ joined }) => joined.includes('a'))
    const { session, connectionId } = await a.first('welcome')
    const again = await server.connect(`a?session=${session}`)
    expect(await a.closed).toEqual({ code: 4001, reason: 'Ви підключилися з іншого місця' })
    expect(await again.first('welcome')).toMatchObject({ session, active: 2 })
    expect((await again.first('welcome')).connectionId).not.toBe(connectionId)
    // A later change is the marker: a frame about the takeover would have arrived before it.
    await server.connect('marker')
    expect(await b.presence(({ joined }) => joined.includes('marker'))).toMatchObject({ count: 3 })
    const told = b.presenceChanges().flatMap(({ joined, left }) => [...joined, ...left.map((name) => `-${name}`)])
    expect(told.filter((name) => name.endsWith('a'))).toEqual(['a'])
    expect(told).not.toContain('-a')
  })

  test('goes to a connection with a token for it', async () => {
    const server = await startServer({ authSecret: SECRET })
    const token = await tokenOf({ sub: 'a' })
    const first = await server.connect(`a?token=${token}`)
    const second = await server.connect(`a?token=${token}`)
    expect(await first.closed).toMatchObject({ code: 4001 })
    await second.publish('here')
  })

  test('costs no entry: a client that takes over with a cursor has no gap', async () => {
    const server = await startServer({ presenceIntervalMs: 0 })
    const [a, b] = [await server.connect('a'), await server.connect('b')]
    const { session } = await a.first('welcome')
    const heard: unknown[] = []
    let current = a
    for (let round = 0; round < 20; round++) {
      for (let index = 0; index < 5; index++) b.send({ type: 'message', data: round * 5 + index })
      const { cursor } = current
      const before = current
      current = await server.connect(`a?session=${session}&cursor=${cursor}`)
      expect(await current.first('welcome')).toMatchObject({ recovered: true })
      heard.push(
        ...before
          .all('message')
          .filter(({ offset }) => offset <= Number(cursor.split(':')[1]))
          .map(({ data }) => data),
      )
    }
    await b.publish('marker')
    await current.first('message', ({ data }) => data === 'marker')
    heard.push(...current.heard)
    expect(heard).toEqual([...Array.from({ length: 100 }, (_, index) => index), 'marker'])
  })

  test('causes only the difference of presence when the new connection is in other channels', async () => {
    const server = await startServer({ presenceIntervalMs: 10 })
    const watcher = await server.connect('w?channels=x,y')
    const a = await server.connect('a?channels=x')
    await watcher.presence(({ channel, joined }) => channel === 'x' && joined.includes('a'))
    const { session } = await a.first('welcome')
    await server.connect(`a?session=${session}&channels=y`)
    await watcher.presence(({ channel, joined }) => channel === 'y' && joined.includes('a'))
    await watcher.presence(({ channel, left }) => channel === 'x' && left.includes('a'))
    expect(watcher.presenceChanges().filter(({ channel, left }) => channel === 'lobby' && left.length > 0)).toEqual([])
  })

  test('is free again when its client has left', async () => {
    const server = await startServer()
    const a = await server.connect('a')
    await a.leave()
    await gone(server, 'a')
    await server.connect('a')
  })
})

/** The server notices a client's end a moment after the client does. */
async function gone(server: TestServer, clientId: string): Promise<void> {
  if (!server.connections.get(clientId)) return
  await new Promise<void>((resolve) => {
    const stop = server.connections.observe({
      onDisconnect: (connection) => {
        if (connection.clientId !== clientId) return
        stop()
        resolve()
      },
    })
  })
}
