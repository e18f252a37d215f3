/** A conversation: which clients receive which messages, and in which order. */
import type { PresenceChange } from '@lastcall/protocol'
import { describe, expect, test } from 'vitest'
import { startServer } from '../support/test-server.js'

describe('A, B and C', () => {
  test('a message of A reaches B and C once each, and A gets the ack', async () => {
    const server = await startServer()
    const [a, b, c] = [await server.connect('A'), await server.connect('B'), await server.connect('C')]
    const offset = await a.publish({ text: 'hello', ключ: [1, null] }, { id: 'first' })
    await a.publish('marker')
    for (const client of [b, c]) {
      await client.first('message', ({ data }) => data === 'marker')
      expect(client.heard).toEqual([{ text: 'hello', ключ: [1, null] }, 'marker'])
      expect(await client.first('message')).toEqual({
        type: 'message',
        channel: 'lobby',
        from: 'A',
        data: { text: 'hello', ключ: [1, null] },
        id: 'first',
        offset,
        at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/) as string,
      })
    }
    expect(a.all('ack').filter(({ id }) => id === 'first')).toEqual([{ type: 'ack', id: 'first', offset }])
    expect(a.heard).toEqual([])
  })

  test('the periodic message reaches all clients', async () => {
    const server = await startServer({ broadcastIntervalSeconds: 0.05 })
    const [a, b] = [await server.connect('A'), await server.connect('B')]
    const c = await server.connect('C', { headers: { 'accept-language': 'en' } })
    for (const client of [a, b]) {
      expect(await client.first('periodic', ({ active }) => active === 3)).toMatchObject({
        active: 3,
        uptimeSeconds: expect.any(Number) as number,
        text: expect.stringMatching(/^Періодичне повідомлення: на звʼязку 3 клієнти/) as string,
      })
    }
    expect((await c.first('periodic')).text).toMatch(/^Periodic message: 3 clients/)
  })

  test('B and C receive the join and the leave of A', async () => {
    const server = await startServer({ presenceIntervalMs: 10 })
    const [b, c] = [await server.connect('B'), await server.connect('C')]
    const a = await server.connect('A')
    for (const client of [b, c]) {
      const isAboutA = (change: PresenceChange): boolean => change.joined.includes('A')
      const came = await client.first('presence', ({ changes }) => changes.some(isAboutA))
      expect(came.changes).toMatchObject([{ channel: 'lobby', count: 3 }])
      expect(came.text).toMatch(/Приєдналися: .*A/)
    }
    await a.leave()
    for (const client of [b, c]) {
      const went = await client.first('presence', ({ changes }) => changes.some(({ left }) => left.includes('A')))
      expect(went.changes).toMatchObject([{ channel: 'lobby', left: ['A'], leftCount: 1, count: 2 }])
      expect(went.text).toMatch(/Вийшли: A\./)
    }
  })

  test('B receives the leave of A, too, when A only ends its TCP connection', async () => {
    const server = await startServer({ presenceIntervalMs: 10 })
    const [a, b] = [await server.connect('A'), await server.connect('B')]
    // The interval of presence that contains the join of A is over.
    await a.presence(({ joined }) => joined.includes('B'))
    a.socket.terminate()
    await b.presence(({ left }) => left.includes('A'))
    expect(server.connections.getActiveCount()).toBe(1)
  })
})

test('all clients receive all messages in one order', async () => {
  const server = await startServer({ presenceIntervalMs: 0 })
  const clients = await Promise.all(['a', 'b', 'c', 'd'].map((name) => server.connect(name)))
  for (let index = 0; index < 50; index++) {
    for (const client of clients) client.send({ type: 'message', data: index, id: `i${index}` })
  }
  const ofJournal = async (client: (typeof clients)[number]): Promise<number[]> => {
    await client.until((message) => 'offset' in message && message.offset === 200)
    return client.messages.flatMap((message) => ('offset' in message ? [message.offset] : []))
  }
  for (const offsets of await Promise.all(clients.map(ofJournal))) {
    expect(offsets).toEqual(Array.from({ length: 200 }, (_, index) => index + 1))
  }
  for (const client of clients)
    expect(client.all('ack').map(({ id }) => id)).toEqual(client.all('ack').map((_, i) => `i${i}`))
})

describe('the welcome', () => {
  test('comes first and contains everything that a client needs', async () => {
    const server = await startServer()
    await server.connect('bob')
    const anna = await server.connect('anna')
    expect(anna.messages[0]).toEqual({
      type: 'welcome',
      clientId: 'anna',
      connectionId: expect.stringMatching(/./) as string,
      session: expect.stringMatching(/./) as string,
      cursor: expect.stringMatching(/^[\w-]+:\d+$/) as string,
      recovered: null,
      channels: ['lobby'],
      node: server.node,
      build: server.health().build,
      active: 2,
      presence: {
        lobby: {
          clients: expect.arrayContaining([{ clientId: 'anna' }]) as object[],
          count: expect.any(Number) as number,
        },
      },
      heartbeatSeconds: 25,
      text: 'Вітаємо, anna! Зараз на звʼязку: 2.',
    })
  })

  test.each([
    [undefined, 'Вітаємо'],
    ['uk-UA,uk;q=0.9,en;q=0.5', 'Вітаємо'],
    ['en-GB,en;q=0.9', 'Welcome'],
    ['de', 'Welcome'],
  ])('is in the language of the client: %s', async (language, word) => {
    const server = await startServer()
    const anna = await server.connect(
      'anna',
      language === undefined ? {} : { headers: { 'accept-language': language } },
    )
    expect(anna.texts[0]).toContain(word)
  })

  test('is in LOCALE for a client that requests no supported language', async () => {
    const server = await startServer({ locale: 'en' })
    expect((await server.connect('anna')).texts[0]).toContain('Welcome')
  })
})

describe('a plain client, without the subprotocol', () => {
  test('publishes a text to the lobby, as the specification requires', async () => {
    const server = await startServer()
    const [plain, other] = [await server.connect('plain'), await server.connect('other')]
    for (const text of ['Привіт', '{"no":"message"}', '{broken', '42']) plain.send(text)
    await other.first('message', ({ data }) => data === '42')
    expect(other.heard).toEqual(['Привіт', '{"no":"message"}', '{broken', '42'])
    expect(other.all('message').map(({ channel, from }) => [channel, from])).toEqual(
      Array.from({ length: 4 }, () => ['lobby', 'plain']),
    )
    await plain.until(() => plain.all('ack').length === 4)
  })

  test('may send the messages of the protocol, too', async () => {
    const server = await startServer()
    const [plain, other] = [await server.connect('plain'), await server.connect('other')]
    await plain.publish('hello')
    expect((await other.first('message')).data).toBe('hello')
  })
})

describe('channels', () => {
  test('deliver messages to their subscribers', async () => {
    const server = await startServer({ presenceIntervalMs: 0 })
    const [a, b, c] = [
      await server.connect('a?channels=news'),
      await server.connect('b?channels=news'),
      await server.connect('c'),
    ]
    await a.publish('for news', { channel: 'news' })
    await a.publish('for all')
    await Promise.all([b, c].map((client) => client.first('message', ({ data }) => data === 'for all')))
    expect(b.all('message').map(({ channel, data }) => [channel, data])).toEqual([
      ['news', 'for news'],
      ['lobby', 'for all'],
    ])
    expect(c.heard).toEqual(['for all'])
  })

  test('can be subscribed and unsubscribed at any time, and their other clients receive the change', async () => {
    const server = await startServer({ presenceIntervalMs: 10 })
    const a = await server.connect('a?channels=news')
    const b = await server.connect('b')
    b.send({ type: 'subscribe', channels: ['news'] })
    expect(await b.first('subscribed')).toMatchObject({ channels: ['news'], recovered: null })
    expect(await a.presence(({ channel, joined }) => channel === 'news' && joined.includes('b'))).toMatchObject({
      count: 2,
    })
    await a.publish('one', { channel: 'news' })
    await b.first('message', ({ data }) => data === 'one')
    b.send({ type: 'unsubscribe', channels: ['news'] })
    await b.first('unsubscribed')
    await a.presence(({ channel, left }) => channel === 'news' && left.includes('b'))
    await a.publish('two', { channel: 'news' })
    await a.publish('marker')
    await b.first('message', ({ data }) => data === 'marker')
    expect(b.heard).toEqual(['one', 'marker'])
  })

  test('refuse messages of a client that is not subscribed', async () => {
    const server = await startServer()
    const [a, b] = [await server.connect('a'), await server.connect('b?channels=news')]
    a.send({ type: 'message', channel: 'news', data: 'x', id: '1' })
    expect(await a.first('error')).toMatchObject({ code: 'not_subscribed', id: '1', temporary: false })
    await a.publish('marker')
    await b.first('message')
    expect(b.heard).toEqual(['marker'])
  })

  test('the lobby can be left, too', async () => {
    const server = await startServer({ presenceIntervalMs: 0 })
    const [a, b] = [await server.connect('a'), await server.connect('b?channels=news')]
    b.send({ type: 'unsubscribe', channels: ['lobby'] })
    await b.first('unsubscribed')
    await a.publish('to the lobby')
    a.send({ type: 'subscribe', channels: ['news'] })
    await a.publish('marker', { channel: 'news' })
    await b.first('message')
    expect(b.heard).toEqual(['marker'])
  })

  test('of one connection are at most a hundred', async () => {
    const server = await startServer({ presenceIntervalMs: 0 })
    const a = await server.connect('a')
    const names = (from: number, count: number): string[] => Array.from({ length: count }, (_, i) => `c${from + i}`)
    a.send({ type: 'subscribe', channels: names(0, 99) })
    await a.first('subscribed')
    a.send({ type: 'subscribe', channels: names(99, 1) })
    expect(await a.first('error')).toMatchObject({ code: 'forbidden' })
    a.send({ type: 'subscribe', channels: names(0, 50) })
    await a.first('subscribed', ({ channels }) => channels.length === 50)
  })
})

test('a storm of joins causes a handful of frames, which count every client', async () => {
  const server = await startServer({ presenceIntervalMs: 50 })
  const watcher = await server.connect('watcher')
  const crowd = await Promise.all(Array.from({ length: 120 }, (_, index) => server.connect(`c${index}`)))
  await watcher.presence(({ count }) => count === 121)
  const told = watcher.presenceChanges()
  expect(told.reduce((sum, { joinedCount }) => sum + joinedCount, 0)).toBeGreaterThanOrEqual(120)
  expect(told.length).toBeLessThan(60)
  for (const { joined } of told) expect(joined.length).toBeLessThanOrEqual(50)
  await Promise.all(crowd.map((client) => client.leave()))
  await watcher.presence(({ count }) => count === 1)
})

test('the server answers ping with pong', async () => {
  const server = await startServer()
  const a = await server.connect('a')
  a.send({ type: 'ping' })
  expect(await a.first('pong')).toMatchObject({ type: 'pong' })
})
