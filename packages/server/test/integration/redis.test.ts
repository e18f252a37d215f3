/**
 * Two servers over one Redis: each delivers the messages that the other accepted, and a client that migrates misses none.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { exchange, handshake } from '../support/raw-client.js'
import { lacksRedis, RedisServer } from '../support/redis-server.js'
import { TcpProxy } from '../support/tcp-proxy.js'
import { startServer, type TestServer } from '../support/test-server.js'

const SECRET = 'a secret that all instances have in common'

describe.skipIf(lacksRedis())('two instances over one Redis', () => {
  let redis: RedisServer

  beforeAll(async () => {
    redis = await RedisServer.start()
  })

  afterAll(() => redis.dispose())

  const start = (key: string): Promise<TestServer> =>
    startServer({ journalUrl: `${redis.url}?key=${key}`, sessionSecret: SECRET, presenceIntervalMs: 0 })

  test('deliver the same messages in the same order, whichever instance accepted them', async () => {
    const servers = [await start('order'), await start('order')]
    const clients = await Promise.all(servers.map((server, index) => server.connect(`client-${index}`)))
    await Promise.all(
      clients.flatMap((client, index) => Array.from({ length: 20 }, (_, turn) => client.publish(`${index}-${turn}`))),
    )
    const listeners = await Promise.all(servers.map((server, index) => server.connect(`late-${index}`)))
    await clients[0]?.publish('marker')
    for (const client of [...clients.slice(1), ...listeners])
      await client.first('message', ({ data }) => data === 'marker')
    const [, second] = clients
    const heard = second?.messages
      .filter(({ type }) => type === 'message')
      .map((message) => ('data' in message ? message.data : ''))
    expect(heard).toHaveLength(21)
  })

  test('let a client resume on the other one without a loss', async () => {
    const [first, second] = [await start('resume'), await start('resume')]
    const speaker = await second.connect('speaker')
    const listener = await first.connect('listener')
    await speaker.publish('heard')
    const { offset } = await listener.first('message', ({ data }) => data === 'heard')
    const welcome = await listener.first('welcome')
    await listener.leave()
    await speaker.publish('missed')
    const cursor = `${welcome.cursor.split(':')[0]}:${offset}`
    const again = await second.connect(`listener?cursor=${encodeURIComponent(cursor)}`)
    await expect(again.first('welcome')).resolves.toMatchObject({ recovered: true })
    await again.first('message', ({ data }) => data === 'missed')
    expect(again.messages.filter((message) => 'data' in message && message.data === 'heard')).toEqual([])
  })

  test('an instance that is cut off reports no loss when there is none', async () => {
    const proxy = await TcpProxy.to(redis.port)
    const [first, second] = [
      await start('cut-off'),
      await startServer({
        journalUrl: `redis://127.0.0.1:${proxy.port}?key=cut-off`,
        sessionSecret: SECRET,
        rejectWith: 'http',
      }),
    ]
    const speaker = await first.connect('kateryna')
    const listener = await first.connect('bohdan')
    proxy.refuse()
    await speaker.publish('while the other one is cut off')
    const { offset } = await listener.first('message')
    const { cursor } = await listener.first('welcome')
    const place = encodeURIComponent(`${cursor.split(':')[0]}:${offset}`)
    expect(await exchange(second, handshake(`/ws/vira?cursor=${place}`))).toMatch(/^HTTP\/1.1 503 /)
    proxy.accept()
    const vira = await second.connect(`vira?cursor=${place}`)
    await expect(vira.first('welcome')).resolves.toMatchObject({ recovered: true })
    await proxy.close()
  })
})
