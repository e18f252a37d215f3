/**
 * Clients that send more than they may. The server answers each message that it reads, reads nothing beyond a budget,
 * and other clients are not affected.
 */
import { describe, expect, test } from 'vitest'
import { clientFrame, OPCODES, RawClient } from '../support/raw-client.js'
import { TestClient } from '../support/test-client.js'
import { startServer, type TestServer } from '../support/test-server.js'
import type { ServerOptions } from '../../src/index.js'

const quiet = (options: ServerOptions = {}): Promise<TestServer> => startServer({ presenceIntervalMs: 0, ...options })

/** A client that may be rejected. */
const strict = ({ webSocketUrl }: TestServer, path: string): Promise<TestClient> =>
  TestClient.connect(`${webSocketUrl}/${path}`, { protocol: 'lastcall.v1' })

const repeated = (count: number, frameOf: (index: number) => Buffer): Buffer =>
  Buffer.concat(Array.from({ length: count }, (_, index) => frameOf(index)))

const text = (message: object): Buffer => clientFrame(OPCODES.text, JSON.stringify(message))

/** The frames of a type, with the number of this client's messages that each one answers. */
const countOf = (client: RawClient, type: 'ack' | 'error'): number =>
  client.messages.reduce(
    (sum, message) => sum + (message.type !== type ? 0 : message.type === 'error' ? (message.count ?? 1) : 1),
    0,
  )

const secondsSince = (startedAt: number): number => (performance.now() - startedAt) / 1000

describe('a client beyond its limit of messages', () => {
  test('gets an answer to each message with an id, and the server reads nothing after five refusals until the client may send', async () => {
    const server = await quiet({ maxMessagesPerMinute: 60 })
    const a = await RawClient.connect(server, 'a')
    a.socket.write(repeated(78, (index) => text({ type: 'message', data: index, id: String(index) })))
    await a.until(() => countOf(a, 'ack') + countOf(a, 'error') === 78)
    const refused = countOf(a, 'error')
    expect(countOf(a, 'ack')).toBeGreaterThan(60)
    expect(refused).toBeLessThanOrEqual(5 * (1 + countOf(a, 'ack') - 60))
    const ids = a.messages.flatMap((message) =>
      message.type === 'ack' || message.type === 'error' ? [Number(message.id)] : [],
    )
    expect(ids.toSorted((x, y) => x - y)).toEqual(Array.from({ length: 78 }, (_, index) => index))
  })

  test('gets one error a second for messages without an id, with their number', async () => {
    const server = await quiet({ maxMessagesPerMinute: 60 })
    const a = await RawClient.connect(server, 'a')
    const startedAt = performance.now()
    a.socket.write(repeated(74, (index) => text({ type: 'message', data: index })))
    await a.until(() => countOf(a, 'ack') + countOf(a, 'error') === 74)
    const errors = a.messages.filter(({ type }) => type === 'error')
    expect(errors.length).toBeLessThanOrEqual(1 + secondsSince(startedAt))
    expect(errors[0]).not.toHaveProperty('count')
    expect(errors[1]).toMatchObject({ code: 'rate_limited', temporary: true })
    expect(countOf(a, 'error')).toBeGreaterThan(errors.length)
  })

  test('survives the heartbeat while the server does not read from it', async () => {
    const server = await quiet({ maxMessagesPerMinute: 1, heartbeatIntervalSeconds: 0.05 })
    const a = await RawClient.connect(server, 'a')
    a.socket.write(repeated(20, (index) => text({ type: 'message', data: index, id: String(index) })))
    await a.until(() => countOf(a, 'error') === 5)
    const pings = (): number => a.controls.filter((opcode) => opcode === OPCODES.ping).length
    const before = pings()
    const b = await server.connect('b')
    for (let round = 0; pings() < before + 8; round++) await b.leave().then(() => server.connect(`b${String(round)}`))
    expect(server.connections.get('a')?.transport.isOpen).toBe(true)
    expect(countOf(a, 'error')).toBe(5)
  })

  test('is closed politely by a shutdown, which reads to the client’s close frame', async () => {
    const server = await quiet({ maxMessagesPerMinute: 1, shutdownTimeoutSeconds: 0 })
    const a = await RawClient.connect(server, 'a')
    a.socket.write(repeated(500, (index) => text({ type: 'message', data: index, id: String(index) })))
    await a.until(() => countOf(a, 'error') === 5)
    const closed = server.close()
    expect(await a.closeFrame).toMatchObject({ code: 1001 })
    a.sendClose(1001)
    await a.ended
    expect(await closed).toMatchObject({ closedAtDeadline: 1, lost: 0 })
    expect(a.framesAfterClose).toBe(0)
  })
})

describe('one turn of the event loop', () => {
  test('reads at most fifty messages of one connection', async () => {
    let inTurn = 0
    let most = 0
    let isOver = false
    const server = await quiet({ hooks: { onMessage: () => void (most = Math.max(most, ++inTurn)) } })
    setImmediate(function nextTurn() {
      inTurn = 0
      if (!isOver) setImmediate(nextTurn)
    })
    const a = await RawClient.connect(server, 'a')
    a.socket.write(repeated(1000, (index) => text({ type: 'message', data: index })))
    await a.until(() => countOf(a, 'ack') === 1000)
    isOver = true
    expect(most).toBeGreaterThan(1)
    expect(most).toBeLessThanOrEqual(50)
  })

  test('keeps the order of a long message and short ones, however the network cuts them', async () => {
    const server = await quiet({ maxPayloadBytes: 512 * 1024 })
    const b = await server.connect('b')
    const a = await RawClient.connect(server, 'a')
    const said: string[] = []
    for (let index = 0; index < 300; index++) said.push('x'.repeat(index % 37 === 0 ? 60_000 : index % 7))
    a.socket.write(Buffer.concat(said.map((data) => text({ type: 'message', data }))))
    a.sendClose(1000)
    await b.until(() => b.heard.length === said.length)
    expect(b.heard).toEqual(said)
    expect(await a.closeFrame).toMatchObject({ code: 1000 })
  })
})

describe('frames without a message', () => {
  /** What a second refills, and more than the burst and a turn: sent at once, it takes a second. */
  const MANY = 450
  const SECONDS = 1

  test.each([
    ['pings of the protocol', (): Buffer => text({ type: 'ping' })],
    ['WebSocket pings', (): Buffer => clientFrame(OPCODES.ping, 'p')],
    ['pongs', (): Buffer => clientFrame(OPCODES.pong, '')],
    ['wrong messages between pings', (index: number): Buffer => text({ type: index % 2 === 0 ? 'ping' : 'direct' })],
  ])('are read at a bounded rate: %s', async (_name, frameOf) => {
    const server = await quiet()
    const a = await RawClient.connect(server, 'a')
    const startedAt = performance.now()
    a.socket.write(repeated(MANY, frameOf))
    a.say({ type: 'message', data: 'marker', id: 'marker' })
    await a.until((message) => message.type === 'ack' && message.id === 'marker')
    expect(secondsSince(startedAt)).toBeGreaterThan(SECONDS)
  })

  test('are read at a bounded rate: empty fragments', async () => {
    const server = await quiet()
    const a = await RawClient.connect(server, 'a')
    const startedAt = performance.now()
    a.send(OPCODES.text, '{"type":"message","id":"marker"', { fin: false })
    a.socket.write(repeated(MANY, () => clientFrame(OPCODES.continuation, '', { fin: false })))
    a.send(OPCODES.continuation, ',"data":1}')
    await a.until((message) => message.type === 'ack' && message.id === 'marker')
    expect(secondsSince(startedAt)).toBeGreaterThan(SECONDS)
  })

  test('the server answers each ping of a burst of a hundred', async () => {
    const server = await quiet()
    const a = await RawClient.connect(server, 'a')
    a.socket.write(repeated(100, () => clientFrame(OPCODES.ping, 'p')))
    a.say({ type: 'message', data: 'marker', id: 'marker' })
    await a.until((message) => message.type === 'ack')
    expect(a.controls.filter((opcode) => opcode === OPCODES.pong)).toHaveLength(100)
  })

  test('a large message in fragments of 1 KiB is not charged', async () => {
    const server = await quiet({ maxPayloadBytes: 4 * 1024 * 1024 })
    const [b, a] = [await server.connect('b'), await RawClient.connect(server, 'a')]
    const startedAt = performance.now()
    a.send(OPCODES.text, '"', { fin: false })
    a.socket.write(repeated(3000, () => clientFrame(OPCODES.continuation, 'x'.repeat(1024), { fin: false })))
    a.send(OPCODES.continuation, '"')
    expect((await b.first('message')).data).toHaveLength(2 + 3000 * 1024)
    // The budget would take 24 seconds if the server charged for them.
    expect(secondsSince(startedAt)).toBeLessThan(20)
  })
})

describe('the budget of channels', () => {
  const names = (from: number, count: number): string[] =>
    Array.from({ length: count }, (_, index) => `c${String(from + index)}`)

  test('pays for each channel of a subscribe, apart from the budget of messages', async () => {
    const server = await quiet({ maxMessagesPerMinute: 60, maxChannelsPerMinute: 100 })
    const a = await server.connect('a')
    a.send({ type: 'subscribe', channels: names(0, 60), id: 's-1' })
    await a.first('subscribed')
    a.send({ type: 'subscribe', channels: names(60, 30), id: 's-2' })
    await a.first('subscribed', ({ id }) => id === 's-2')
    a.send({ type: 'unsubscribe', channels: names(0, 90), id: 'u' })
    await a.first('unsubscribed')
    a.send({ type: 'subscribe', channels: names(0, 40), id: 's-3' })
    const error = await a.first('error')
    expect(error).toMatchObject({ code: 'rate_limited', id: 's-3', temporary: true })
    expect(error.retryInMs).toBeLessThanOrEqual(18_000)
    await a.publish('messages are another budget')
  })

  test('pays for the channels of a handshake, which the server rejects with 1013 and a time to retry', async () => {
    const server = await quiet({ maxChannelsPerMinute: 150 })
    const path = `a?channels=${names(0, 99).join(',')}`
    const first = await server.connect(path, { protocol: 'lastcall.v1' })
    const { session } = await first.first('welcome')
    await first.leave()
    const again = await strict(server, `${path}&session=${session}`)
    const rejected = await again.first('rejected')
    expect(rejected.code).toBe(1013)
    expect(rejected.retryInMs).toBeGreaterThan(0)
    expect(rejected.retryInMs).toBeLessThanOrEqual(19_200)
    expect(await again.closed).toMatchObject({ code: 1013 })
    // The server accepts the handshake without the channels.
    await server.connect('a')
  })

  test('stops a client that sends a refused subscribe and an accepted unsubscribe in turn', async () => {
    const server = await quiet({ maxMessagesPerMinute: 0, maxChannelsPerMinute: 1 })
    const a = await RawClient.connect(server, 'a')
    const turns = repeated(40, (index) =>
      text({ type: index % 2 === 0 ? 'subscribe' : 'unsubscribe', channels: ['news'], id: String(index) }),
    )
    const startedAt = performance.now()
    a.socket.write(turns)
    a.say({ type: 'message', data: 'marker', id: 'marker' })
    await a.until((message) => message.type === 'ack' && message.id === 'marker')
    expect(countOf(a, 'error')).toBe(19)
    // The server refuses nineteen, and reads nothing for a second after the fifth, the tenth and the fifteenth.
    expect(secondsSince(startedAt)).toBeGreaterThan(2.9)
  })

  test('of 0 has no limit', async () => {
    const server = await quiet({ maxChannelsPerMinute: 0 })
    const a = await server.connect('a')
    for (let round = 0; round < 5; round++) {
      a.send({ type: 'subscribe', channels: names(0, 99), id: String(round) })
      await a.first('subscribed', ({ id }) => id === String(round))
    }
  })
})

describe('the budget of replayed history', () => {
  test('pays for `since`, so that little input does not cause much reading', async () => {
    const server = await quiet({ maxReplayPerMinuteBytes: 100_000 })
    const a = await server.connect('a')
    const { cursor } = await a.first('welcome')
    for (let index = 0; index < 5; index++) await a.publish('x'.repeat(8000))
    const b = await RawClient.connect(server, 'b')
    for (let index = 0; index < 10; index++)
      b.say({ type: 'subscribe', channels: ['lobby'], since: cursor, id: String(index) })
    const error = await b.until(({ type }) => type === 'error')
    expect(error).toMatchObject({ code: 'rate_limited', id: '2' })
    b.say({ type: 'subscribe', channels: ['news'], id: 'without' })
    await b.until((message) => message.type === 'subscribed' && message.id === 'without')
    expect(b.messages.filter(({ type }) => type === 'message')).toHaveLength(10)
  })

  test('pays for the cursor of a handshake, and a rejected client keeps its cursor', async () => {
    const server = await quiet({ maxReplayPerMinuteBytes: 65_536 })
    const a = await server.connect('a')
    const b = await server.connect('b')
    const { cursor, session } = await b.first('welcome')
    await b.leave()
    await a.publish('missed')
    const path = `b?session=${session}&cursor=${cursor}`
    for (let round = 0; round < 4; round++) {
      const again = await server.connect(path)
      expect((await again.first('message')).data).toBe('missed')
      await again.leave()
    }
    const again = await strict(server, path)
    const rejected = await again.first('rejected')
    expect(rejected.code).toBe(1013)
    expect(rejected.retryInMs).toBeLessThanOrEqual(15_000)
    // A client that missed nothing needs no history.
    const current = await server.connect(`b?session=${session}&cursor=${a.cursor}`)
    expect(await current.first('welcome')).toMatchObject({ recovered: true })
  })
})
