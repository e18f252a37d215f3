/**
 * Two servers that share a stream of RabbitMQ: messages reach the clients of both in one order, a client resumes at
 * either, and an outage of RabbitMQ costs no connection.
 */
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { lacksRabbit, RabbitServer, START_TIMEOUT_MS } from '../support/rabbitmq-server.js'
import type { TestClient } from '../support/test-client.js'
import { startServer, type TestServer } from '../support/test-server.js'

vi.setConfig({ testTimeout: START_TIMEOUT_MS, hookTimeout: START_TIMEOUT_MS })

/** The messages of a channel with their offsets, in the order in which they were delivered. */
const told = (client: TestClient): string[] =>
  client.all('message').map(({ offset, from, data }) => `${offset} ${from}: ${JSON.stringify(data)}`)

describe.skipIf(lacksRabbit())('two servers on RabbitMQ', () => {
  let rabbit: RabbitServer
  let queueCount = 0

  beforeAll(async () => {
    rabbit = await RabbitServer.start()
  })

  afterAll(() => rabbit.dispose())

  async function startTwo(): Promise<readonly [TestServer, TestServer]> {
    const options = {
      ...{ journalUrl: rabbit.url(`servers.${++queueCount}`), presenceIntervalMs: 0 },
      sessionSecret: 'a secret that all instances have in common',
    }
    return [await startServer(options), await startServer(options)]
  }

  test('deliver the same messages in the same order to the clients of both', async () => {
    const servers = await startTwo()
    const speakers = await Promise.all(servers.map((server, index) => server.connect(`speaker-${index}`)))
    const listeners = await Promise.all(servers.map((server, index) => server.connect(`listener-${index}`)))
    const sayings = speakers.map((speaker) =>
      Promise.all(Array.from({ length: 100 }, (_, index) => speaker.publish(`${index}`))),
    )
    const acks = await Promise.all(sayings)
    expect(new Set(acks.flat()).size).toBe(200)
    for (const listener of listeners) await listener.until(() => told(listener).length === 200)
    const [one = [], other] = listeners.map(told)
    expect(one).toEqual(other)
    for (const index of [0, 1]) {
      const own = one.filter((line) => line.includes(` speaker-${index}: `)).map((line) => line.split(': ')[1])
      expect(own).toEqual(Array.from({ length: 100 }, (_, number) => JSON.stringify(`${number}`)))
    }
  })

  test('let a client resume on the other one, without a gap and without a repeat', async () => {
    const [first, second] = await startTwo()
    const [speaker, client] = [await first.connect('speaker'), await first.connect('client')]
    for (let index = 0; index < 20; index++) await speaker.publish(index)
    await client.until(() => client.heard.length === 20)
    const { session } = await client.first('welcome')
    const { cursor } = client
    await client.leave()
    for (let index = 20; index < 40; index++) await speaker.publish(index)
    const back = await second.connect(`client?session=${session}&cursor=${cursor}`)
    expect(await back.first('welcome')).toMatchObject({ recovered: true, cursor })
    await speaker.publish('last')
    await back.first('message', ({ data }) => data === 'last')
    expect([...client.heard, ...back.heard]).toEqual([...Array.from({ length: 40 }, (_, index) => index), 'last'])
  })

  test('recognise a retry that goes to the other one', async () => {
    const [first, second] = await startTwo()
    const [here, there] = [await first.connect('listener'), await second.connect('reader')]
    const speaker = await first.connect('speaker')
    const offset = await speaker.publish('once', { id: 'the same' })
    await there.first('message')
    const { session } = await speaker.first('welcome')
    await speaker.leave()
    const again = await second.connect(`speaker?session=${session}`)
    expect(await again.publish('once', { id: 'the same' })).toBe(offset)
    await again.publish('marker')
    for (const listener of [here, there]) await listener.until(() => listener.heard.length === 2)
    for (const listener of [here, there]) expect(listener.heard).toEqual(['once', 'marker'])
  })

  test('keep their clients connected while RabbitMQ restarts, and continue', async () => {
    const [first, second] = await startTwo()
    const [speaker, listener] = [await first.connect('speaker'), await second.connect('listener')]
    await speaker.publish('before')
    await rabbit.kill()
    speaker.send({ type: 'message', id: 'lost', data: 'meanwhile' })
    expect(await speaker.first('error', ({ id }) => id === 'lost')).toMatchObject({ code: 'journal_unavailable' })
    expect(first.health().journal).toBe('down')
    await rabbit.start()
    for (const [index, server] of [first, second].entries()) {
      // A client learns of the end of an outage when the server takes a message again.
      const client = [speaker, listener][index] as TestClient
      for (let attempt = 0; server.health().journal === 'down' || attempt === 0; attempt++) {
        const id = `${index}-${attempt}`
        client.send({ type: 'message', id, data: id })
        await client.until((message) => 'id' in message && message.id === id)
      }
    }
    await speaker.publish('after')
    await listener.first('message', ({ data }) => data === 'after')
    expect(listener.heard.filter((data) => data === 'before' || data === 'after')).toEqual(['before', 'after'])
  })
})
