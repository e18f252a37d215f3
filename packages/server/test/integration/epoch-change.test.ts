/**
 * A server whose journal is replaced by an empty one, over real sockets: the frames that its clients receive until the
 * server closes them, and their return.
 */
import { setTimeout } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import type { ServerOptions } from '../../src/index.js'
import { lacksRedis, RedisServer } from '../support/redis-server.js'
import { ListJournal } from '../support/list-journal.js'
import { TestClient } from '../support/test-client.js'
import { startServer, type TestServer } from '../support/test-server.js'

const SESSION_SECRET = 'a secret that all instances have in common'

/** So many clients that the last one waits through 20 ticks of the pacing. */
const CROWD = 200

/** So many clients that the last one waits for half a second at least, and is still connected when a busy machine comes to it. */
const LARGE_CROWD = 500

/** The last client connects after all others, so the server closes it last. */
async function connectCrowd(server: TestServer, count: number): Promise<TestClient[]> {
  const connect = (index: number): Promise<TestClient> => server.connect(`client-${index}`, { protocol: 'lastcall.v1' })
  const clients = await Promise.all(Array.from({ length: count - 1 }, (_, index) => connect(index)))
  return [...clients, await connect(count - 1)]
}

async function startCrowd(
  options: ServerOptions = {},
  count = CROWD,
): Promise<{ journal: ListJournal; server: TestServer; clients: TestClient[]; last: TestClient }> {
  const journal = new ListJournal()
  const server = await startServer({ journal, presenceIntervalMs: 0, ...options })
  const clients = await connectCrowd(server, count)
  return { journal, server, clients, last: clients.at(-1) as TestClient }
}

/** The query of the URL with which a client resumes. */
async function returning(client: TestClient): Promise<string> {
  const { clientId, session } = await client.first('welcome')
  return `${clientId}?session=${encodeURIComponent(session)}&cursor=${encodeURIComponent(client.cursor)}`
}

/** The answer to a client that has no session and asks for this name. */
async function rejectedStranger(server: TestServer, name: string): Promise<unknown> {
  const stranger = await TestClient.connect(`${server.webSocketUrl}/${name}`, { protocol: 'lastcall.v1' })
  const { code } = await stranger.closed
  return { code, messages: stranger.messages }
}

const REJECTED = { code: 4009, messages: [{ type: 'rejected', code: 4009, retryInMs: expect.any(Number) as number }] }

/** Resolves when this client knows that the other one is there. */
async function isPresentFor(client: TestClient, other: string): Promise<void> {
  const { presence } = await client.first('welcome')
  const isThereAlready = presence?.['lobby']?.clients.some(({ clientId }) => clientId === other)
  if (!isThereAlready) await client.presence(({ joined }) => joined.includes(other))
}

/** Publishes until the server takes the message: a Redis that was emptied takes entries again a moment later. */
async function publishAgain(client: TestClient, data: string): Promise<void> {
  for (;;) {
    const id = crypto.randomUUID()
    client.send({ type: 'message', data, id })
    const { type } = await client.until((message) => 'id' in message && message.id === id)
    if (type === 'ack') return
    await setTimeout(20)
  }
}

describe('when the journal was replaced', () => {
  test('each client gets a hint, 4010, and `recovered: false` when it returns', async () => {
    const { journal, server, clients } = await startCrowd()
    await clients[0]?.publish('of the old epoch')
    journal.replace()
    for (const client of clients) {
      expect(await client.closed).toEqual({ code: 4010, reason: 'Журнал замінено: підключіться ще раз' })
      expect(client.messages.at(-1)).toMatchObject({ type: 'closing', code: 4010 })
    }
    const hints = clients.flatMap((client) => client.all('closing').map(({ returnInMs }) => returnInMs))
    expect(hints).toHaveLength(CROWD)
    for (const hint of hints) expect(hint).toBeLessThan(1000)
    expect(new Set(hints).size).toBeGreaterThan(CROWD / 4)
    const back = await server.connect(await returning(clients[0] as TestClient))
    const { recovered, cursor } = await back.first('welcome')
    expect([recovered, cursor.split(':')[0]]).toEqual([false, 'epoch-2'])
  })

  test('the server refuses every message of a client that waits for its close, and delivers it nothing of the new epoch', async () => {
    const { journal, server, last } = await startCrowd()
    const known = last.messages.length
    journal.replace()
    last.send({ type: 'message', data: 'too late', id: 'm' })
    last.send({ type: 'direct', to: 'vira', data: 'too late', id: 'd' })
    last.send({ type: 'subscribe', channels: ['news'], since: 'epoch-1:0', id: 's' })
    last.send({ type: 'unsubscribe', channels: ['lobby'], id: 'u' })
    last.send({ type: 'ping' })
    const vira = await server.connect('vira')
    await vira.publish('of the new epoch')
    expect((await last.closed).code).toBe(4010)
    const refusal = { type: 'error', code: 'shutting_down', temporary: true }
    const ids = [{ id: 'm' }, { id: 'd' }, { id: 's' }, { id: 'u' }, {}]
    expect(last.messages.slice(known)).toMatchObject([...ids.map((id) => ({ ...refusal, ...id })), { type: 'closing' }])
    await vira.publish('the end')
    expect(vira.heard).toEqual([])
  })

  test('the server refuses a message whose hook was called before and answers now', async () => {
    let answer = (): void => undefined
    const answered = new Promise<void>((resolve) => (answer = resolve))
    let asked = (): void => undefined
    const wasAsked = new Promise<void>((resolve) => (asked = resolve))
    const onMessage = async ({ data }: { data: unknown }): Promise<undefined> => {
      if (data !== 'asked about') return undefined
      asked()
      await answered
      return undefined
    }
    const { journal, server, last } = await startCrowd({ hooks: { onMessage } })
    last.send({ type: 'message', data: 'asked about', id: 'a' })
    await wasAsked
    journal.replace()
    answer()
    await last.first('error', ({ id, code }) => id === 'a' && code === 'shutting_down')
    const vira = await server.connect(`vira?cursor=${journal.epoch}:0`)
    await vira.publish('the end')
    expect(vira.heard).toEqual([])
  })

  test('a client that returns before its close takes over, and is present once', async () => {
    const { journal, server, last } = await startCrowd({ presenceIntervalMs: 20 }, LARGE_CROWD)
    const path = await returning(last)
    journal.replace()
    const back = await server.connect(path)
    expect(await back.first('welcome')).toMatchObject({ recovered: false, presence: { lobby: { count: 1 } } })
    expect((await last.closed).code).toBe(4001)
    await server.connect('vira')
    await back.presence(({ joined }) => joined.includes('vira'))
    await server.connect('oles')
    await back.presence(({ joined }) => joined.includes('oles'))
    const changes = back.presenceChanges()
    expect(changes.flatMap(({ left }) => left)).toEqual([])
    // The entry of the client's own join names no other client and is not sent to it, unless one entry contains it and
    // the join of vira.
    const { clientId } = await back.first('welcome')
    const others = changes.flatMap(({ joined }) => joined).filter((name) => name !== clientId)
    expect(others).toEqual(['vira', 'oles'])
    expect(changes.at(-1)?.count).toBe(3)
  })

  test('a name stays reserved for the client that waits for its close', async () => {
    const { journal, server, last } = await startCrowd()
    const { clientId } = await last.first('welcome')
    journal.replace()
    const stranger = await server
      .connect(clientId, { protocol: 'lastcall.v1' })
      .catch((error: unknown) => String(error))
    expect(stranger).toContain('"code":4009')
    expect((await last.closed).code).toBe(4010)
  })

  test('a name stays reserved for the client that was closed and has not returned', async () => {
    const { journal, server, clients } = await startCrowd()
    journal.replace()
    const [first] = clients as [TestClient]
    await first.closed
    expect(await rejectedStranger(server, 'client-0')).toMatchObject(REJECTED)
    const back = await server.connect(await returning(first), { protocol: 'lastcall.v1' })
    await back.publish('of the new epoch')
    await back.leave()
    // The client has returned and left: its name is free.
    await server.connect('client-0')
  })

  test('no other instance assigns the name of a client that waits for its close or was closed', async () => {
    const { journal, clients, last } = await startCrowd({ sessionSecret: SESSION_SECRET })
    const other = await startServer({ journal, sessionSecret: SESSION_SECRET, presenceIntervalMs: 0 })
    // The first instance appends its roster before this, when it reads of the other instance.
    await (await other.connect('vira')).publish('marker')
    journal.replace()
    expect(await rejectedStranger(other, `client-${CROWD - 1}`)).toMatchObject(REJECTED)
    await Promise.all(clients.map(({ closed }) => closed))
    expect(await rejectedStranger(other, 'client-0')).toMatchObject(REJECTED)
    expect(await rejectedStranger(other, `client-${CROWD - 1}`)).toMatchObject(REJECTED)
    const back = await other.connect(await returning(last), { protocol: 'lastcall.v1' })
    expect(await back.first('welcome')).toMatchObject({ recovered: false })
  })

  test('a shutdown that begins meanwhile does not wait for the pacing', async () => {
    const { journal, server, clients } = await startCrowd({ shutdownTimeoutSeconds: 600 }, LARGE_CROWD)
    journal.replace()
    await Promise.race(clients.map(({ closed }) => closed))
    server.shutdown.begin('request')
    server.shutdown.hurry()
    const report = await server.shutdown.waitForShutdown()
    const codes = await Promise.all(clients.map(async ({ closed }) => (await closed).code))
    expect(new Set(codes)).toEqual(new Set([1001, 4010]))
    expect(report.closedAtDeadline).toBe(codes.filter((code) => code === 1001).length)
  })
})

describe.skipIf(lacksRedis())('two servers over a Redis that loses every entry', () => {
  const start = (redis: RedisServer): Promise<TestServer> =>
    startServer({ journalUrl: redis.url, sessionSecret: SESSION_SECRET, presenceIntervalMs: 20 })

  test.each([
    ['FLUSHALL', (redis: RedisServer) => redis.command('FLUSHALL')],
    ['a restart without data', (redis: RedisServer) => redis.restartFromSnapshot()],
  ])('%s: all clients are closed with 4010, return, and are one conversation again', async (_, lose) => {
    const redis = await RedisServer.start()
    const servers = [await start(redis), await start(redis)] as [TestServer, TestServer]
    const clients = [await servers[0].connect('kateryna'), await servers[1].connect('bohdan')] as [
      TestClient,
      TestClient,
    ]
    await clients[0].publish('of the old epoch')
    await clients[1].first('message')
    // Each instance has read the other one's claims, which stand before the presence of their clients.
    await isPresentFor(clients[0], 'bohdan')
    await isPresentFor(clients[1], 'kateryna')
    await lose(redis)
    for (const client of clients) {
      expect((await client.closed).code).toBe(4010)
      expect(client.messages.at(-1)).toMatchObject({ type: 'closing', code: 4010 })
    }
    for (const server of servers) {
      expect(await rejectedStranger(server, 'kateryna')).toMatchObject(REJECTED)
      expect(await rejectedStranger(server, 'bohdan')).toMatchObject(REJECTED)
    }
    // Each client returns to the other server.
    const back = [
      await servers[1].connect(await returning(clients[0]), { protocol: 'lastcall.v1' }),
      await servers[0].connect(await returning(clients[1]), { protocol: 'lastcall.v1' }),
    ] as [TestClient, TestClient]
    for (const client of back) expect(await client.first('welcome')).toMatchObject({ recovered: false })
    await publishAgain(back[0], 'of the new epoch')
    await back[1].first('message', ({ data }) => data === 'of the new epoch')
    await publishAgain(back[1], 'an answer')
    await back[0].first('message', ({ data }) => data === 'an answer')
    await servers[0].connect('vira')
    const { count } = await back[0].presence(({ joined }) => joined.includes('vira'))
    expect(count).toBe(3)
    await redis.dispose()
  })
})
