/**
 * The client and the real server over real sockets.
 */
import { createHmac } from 'node:crypto'
import { expect, test } from 'vitest'
import type { SavedState, Store } from '../src/index.js'
import { Received, journalUrl, next, opened, startClient, startServer, type RunningServer } from './support/real.js'

const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, index) => from + index)

const stop = async (server: RunningServer): Promise<void> => {
  server.connections.terminateAll()
  await server.close()
}

test('two clients publish to the lobby, to each other and to a channel', async () => {
  const server = await startServer()
  const [anna, boris] = [startClient(server, { clientId: 'anna' }), startClient(server, { clientId: 'boris' })]
  const direct = next(boris, 'direct')
  const message = next(boris, 'message')
  const news = boris.subscribe('news')[Symbol.asyncIterator]()
  anna.subscribe('news')
  await opened(boris)

  const offset = await anna.publish({ text: 'hello' })
  expect(await message).toMatchObject({ channel: 'lobby', from: 'anna', data: { text: 'hello' }, offset })
  await anna.direct('boris', 'psst')
  expect(await direct).toMatchObject({ from: 'anna', data: 'psst' })
  await anna.publish('extra', { channel: 'news' })
  expect((await news.next()).value).toMatchObject({ channel: 'news', data: 'extra' })
})

test('a client without a name receives one and keeps it', async () => {
  const server = await startServer()
  const client = startClient(server)
  await opened(client)
  const { clientId } = client
  expect(clientId).toMatch(/^guest-/)
  const back = opened(client)
  server.connections.terminateAll()
  await back
  expect(client.clientId).toBe(clientId)
})

test('a client that was disconnected gets the messages it missed once, in order, and then new ones', async () => {
  const server = await startServer()
  const [anna, boris] = [startClient(server, { clientId: 'anna' }), startClient(server, { clientId: 'boris' })]
  const received = new Received(boris)
  boris.subscribe('news')
  anna.subscribe('news')
  await Promise.all([opened(anna), opened(boris)])
  for (const number of range(1, 10)) await anna.publish(number, { channel: number % 2 ? 'lobby' : 'news' })
  await received.until(10)
  const recovered = next(boris, 'recovered')
  server.connections.get('boris')?.terminate('request')
  await Promise.all(range(11, 500).map((number) => anna.publish(number, { channel: number % 2 ? 'lobby' : 'news' })))
  await anna.publish('the last')
  await received.until('the last')
  expect((await recovered).recovered).toBe(true)
  expect(received.data).toEqual([...range(1, 500), 'the last'])
})

test('the journal has each message of a publisher whose connection is cut again and again once and in order', async () => {
  const server = await startServer({ presenceIntervalMs: 0 })
  const [anna, boris] = [startClient(server, { clientId: 'anna' }), startClient(server, { clientId: 'boris' })]
  const received = new Received(boris)
  await Promise.all([opened(anna), opened(boris)])
  const acks: Promise<number>[] = []
  for (let cut = 0; cut < 40; cut++) {
    for (let i = 0; i < 25; i++) acks.push(anna.publish(acks.length))
    // Some messages are on their way to the server, the server processes others, and some acks are on their way back.
    for (let turns = cut % 8; turns > 0; turns--) await new Promise(setImmediate)
    server.connections.get('anna')?.terminate('request')
    if (cut % 5 === 0) await acks.at(-1)
  }
  const offsets = await Promise.all(acks)
  await received.until(acks.length - 1)
  expect(received.data).toEqual(range(0, acks.length - 1))
  expect(offsets).toEqual([...offsets].sort((a, b) => a - b))
})

test('a restart of the server on its file journal costs no message and causes one `recovered` event', async () => {
  const options = { journalUrl: journalUrl(), sessionSecret: 'x'.repeat(32) }
  const first = await startServer(options)
  const [anna, boris] = [startClient(first, { clientId: 'anna' }), startClient(first, { clientId: 'boris' })]
  const received = new Received(boris)
  await Promise.all([opened(anna), opened(boris)])
  const acks = range(1, 50).map((number) => anna.publish(number))
  await acks[20]

  const recovered = next(boris, 'recovered')
  const moved = next(boris, 'move')
  const closed = first.close()
  acks.push(...range(51, 100).map((number) => anna.publish(number)))
  await closed
  acks.push(...range(101, 150).map((number) => anna.publish(number)))
  const second = await startServer({ ...options, port: first.port })
  acks.push(...range(151, 200).map((number) => anna.publish(number)))
  await Promise.all(acks)
  await received.until(200)
  expect(received.data).toEqual(range(1, 200))
  expect((await recovered).recovered).toBe(true)
  expect(await moved).toEqual({ from: first.node, to: second.node })
})

test('a replaced journal is reported as a loss, once, and later messages are delivered', async () => {
  const first = await startServer()
  const [anna, boris] = [startClient(first, { clientId: 'anna' }), startClient(first, { clientId: 'boris' })]
  const received = new Received(boris)
  const recoveries: boolean[] = []
  boris.on('recovered', ({ recovered }) => void recoveries.push(recovered))
  for (const number of range(1, 20)) await anna.publish(number)
  await received.until(20)
  const back = Promise.all([opened(anna), opened(boris)])
  await stop(first)
  await startServer({ port: first.port })
  await back
  await anna.publish(21)
  await received.until(21)
  expect(received.data).toEqual(range(1, 21))
  expect(recoveries).toEqual([false])
})

test('a client that publishes more than the rate limit allows delivers all of it later and in order', async () => {
  const server = await startServer({ maxMessagesPerMinute: 600 })
  const [anna, boris] = [startClient(server, { clientId: 'anna' }), startClient(server, { clientId: 'boris' })]
  const received = new Received(boris)
  await opened(boris)
  const offsets = await Promise.all(range(1, 610).map((number) => anna.publish(number)))
  await received.until(610)
  expect(received.data).toEqual(range(1, 610))
  expect(offsets).toEqual([...offsets].sort((a, b) => a - b))
})

test('a subscription replays its channel from the client’s cursor', async () => {
  const server = await startServer()
  const [anna, boris] = [startClient(server, { clientId: 'anna' }), startClient(server, { clientId: 'boris' })]
  anna.subscribe('news')
  await Promise.all([opened(anna), opened(boris)])
  await anna.publish('before', { channel: 'news' })
  const marker = next(boris, 'message', ({ data }) => data === 'marker')
  await anna.publish('marker')
  await marker
  server.connections.get('boris')?.terminate('request')
  await next(boris, 'state', (state) => state === 'reconnecting')
  const news = boris.subscribe('news')[Symbol.asyncIterator]()
  await anna.publish('meanwhile', { channel: 'news' })
  expect((await news.next()).value).toMatchObject({ data: 'meanwhile' })
})

test('a client that another one takes over from closes and does not reconnect', async () => {
  const server = await startServer()
  let state: SavedState | undefined
  let isSaved: (() => void) | undefined
  const saved = new Promise<void>((resolve) => (isSaved = resolve))
  const store: Store = {
    load: () => state,
    save(next) {
      state = next
      isSaved?.()
    },
  }
  const first = startClient(server, { store })
  const closed = next(first, 'close')
  await saved
  const second = startClient(server, { store })
  await opened(second)
  expect((await closed).code).toBe(4001)
  expect(second.clientId).toBe(first.clientId)
  await expect(second.publish('still here')).resolves.toBeGreaterThan(0)
})

test('the client replaces an expired token, and the server refuses channels that the token does not allow', async () => {
  const authSecret = 's'.repeat(32)
  const server = await startServer({ authSecret, heartbeatIntervalSeconds: 1 })
  let count = 0
  const token = (): string => {
    const exp = Date.now() / 1000 + (++count === 1 ? 1 : 1000)
    return jwt({ sub: 'anna', exp: Math.floor(exp), channels: ['lobby', 'news'] }, authSecret)
  }
  const anna = startClient(server, { clientId: 'anna', token })
  await opened(anna)
  const error = next(anna, 'error')
  const back = opened(anna)
  anna.subscribe('news')
  const secret = anna.subscribe('secret')[Symbol.asyncIterator]().next()
  await expect(secret).rejects.toMatchObject({ code: 'forbidden' })
  expect((await error).code).toBe('forbidden')
  await back
  expect(count).toBe(2)
  await expect(anna.publish('in', { channel: 'news' })).resolves.toBeGreaterThan(0)
})

function jwt(claims: object, secret: string): string {
  const encoded = [{ alg: 'HS256', typ: 'JWT' }, claims].map((part) =>
    Buffer.from(JSON.stringify(part)).toString('base64url'),
  )
  const text = encoded.join('.')
  return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`
}
