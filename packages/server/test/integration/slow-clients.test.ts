/**
 * Clients that do not read. They do not affect others, they get every message if they read on in time, and otherwise
 * they learn of the loss.
 */
import { describe, expect, test } from 'vitest'
import { clientFrame, OPCODES, RawClient } from '../support/raw-client.js'
import type { TestClient } from '../support/test-client.js'
import { startServer, type TestServer } from '../support/test-server.js'

const KILOBYTES_16 = 'x'.repeat(16 * 1024)

const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, index) => from + index)

/** Says so many messages of 16 KB, and waits for the last to be acked. */
async function flood(speaker: TestClient, count: number): Promise<number> {
  for (let index = 1; index < count; index++) speaker.send({ type: 'message', data: KILOBYTES_16 })
  return speaker.publish(KILOBYTES_16)
}

/** The same, no faster than another client reads. */
async function floodWith(reader: TestClient, speaker: TestClient, count: number): Promise<number> {
  let last = 0
  for (let said = 0; said < count; said += 50) {
    last = await flood(speaker, 50)
    await reader.until((message) => 'offset' in message && message.offset === last)
  }
  return last
}

const start = (some: Parameters<typeof startServer>[0] = {}): Promise<TestServer> =>
  startServer({ presenceIntervalMs: 0, closeTimeoutSeconds: 2, ...some })

test('a client that stops reading during 32 MB gets all of them in order when it reads on', async () => {
  const server = await start()
  const [speaker, other] = [await server.connect('speaker'), await server.connect('other')]
  const slow = await RawClient.connect(server, 'slow')
  slow.stopReading()
  const last = await flood(speaker, 2000)
  await other.until((message) => 'offset' in message && message.offset === last)
  expect(other.all('message')).toHaveLength(2000)
  // The slow client costs the kernel's buffers and the bounded queue of one socket, not the entries that it missed.
  const buffered = server.connections.get('slow')?.transport.bufferedBytes ?? 0
  expect(buffered).toBeLessThan(2 * 1024 * 1024)
  slow.startReading()
  await slow.until((message) => 'offset' in message && message.offset === last)
  expect(slow.offsets).toEqual(range(1, last))
  const marker = await speaker.publish('live again')
  await slow.until((message) => 'offset' in message && message.offset === marker)
  expect(slow.offsets).toEqual(range(1, marker))
  slow.socket.destroy()
})

test('a client that reads with pauses gets everything in order', async () => {
  const server = await start()
  const speaker = await server.connect('speaker')
  const slow = await RawClient.connect(server, 'slow')
  let last = 0
  for (let round = 0; round < 8; round++) {
    slow.stopReading()
    last = await flood(speaker, 400)
    slow.startReading()
    const seen = last - 100
    await slow.until((message) => 'offset' in message && message.offset >= seen)
  }
  await slow.until((message) => 'offset' in message && message.offset === last)
  expect(slow.offsets).toEqual(range(1, last))
  slow.socket.destroy()
})

test('the server accepts messages of a client that is behind, and acknowledges them in order', async () => {
  const server = await start({ maxBufferedBytes: 64 * 1024 * 1024 })
  const [speaker, other] = [await server.connect('speaker'), await server.connect('other')]
  const slow = await RawClient.connect(server, 'slow')
  slow.stopReading()
  await flood(speaker, 500)
  expect(server.connections.get('slow')?.transport.isFull).toBe(true)
  slow.say({ type: 'message', data: 'from the slow one', id: 'mine' })
  const { offset } = await other.first('message', ({ data }) => data === 'from the slow one')
  const last = await flood(speaker, 10)
  slow.startReading()
  await slow.until((message) => 'offset' in message && message.offset === last)
  expect(slow.offsets).toEqual(range(1, last))
  expect(slow.messages.filter(({ type }) => type === 'ack')).toEqual([{ type: 'ack', id: 'mine', offset }])
  slow.socket.destroy()
})

describe('a client whose unread entries are evicted', () => {
  test('is closed with 4008 after every frame that was written before, without an effect on others', async () => {
    const server = await start({ historySize: 200, closeTimeoutSeconds: 60 })
    const [speaker, other] = [await server.connect('speaker'), await server.connect('other')]
    const slow = await RawClient.connect(server, 'slow')
    slow.stopReading()
    await floodWith(other, speaker, 1500)
    slow.startReading()
    expect(await slow.closeFrame).toEqual({ code: 4008, reason: 'Непрочитане вже не зберігається' })
    expect(slow.offsets).toEqual(range(1, slow.offsets.length))
    expect(slow.offsets.length).toBeLessThan(1500)
    expect(other.all('message')).toHaveLength(1500)
    slow.socket.destroy()
  })

  test('is terminated after CLOSE_TIMEOUT even if it never reads the close frame', async () => {
    const server = await start({ historySize: 100, closeTimeoutSeconds: 0.2 })
    const speaker = await server.connect('speaker')
    const slow = await RawClient.connect(server, 'slow')
    slow.stopReading()
    const ended = new Promise<string>((resolve) =>
      server.connections.observe({ onDisconnect: ({ clientId }) => resolve(clientId) }),
    )
    await flood(speaker, 1000)
    expect(await ended).toBe('slow')
    slow.socket.destroy()
  })

  test('reconnects without its cursor, or gets `recovered: false` with it', async () => {
    const server = await start({ historySize: 100 })
    const speaker = await server.connect('speaker')
    const slow = await RawClient.connect(server, 'slow')
    const welcome = slow.messages[0]
    slow.stopReading()
    const last = await flood(speaker, 1000)
    slow.startReading()
    await slow.closeFrame
    slow.sendClose(4008)
    await slow.ended
    const epoch = welcome?.type === 'welcome' ? welcome.cursor.split(':')[0] : ''
    const back = await server.connect(`slow2?cursor=${String(epoch)}:${slow.offsets.length}`)
    expect(await back.first('welcome')).toMatchObject({ recovered: false, cursor: `${String(epoch)}:${last}` })
  })
})

test('the server bounds its answers to a client that sends requests and does not read', async () => {
  const server = await start({ maxBufferedBytes: 65_536 })
  const speaker = await server.connect('speaker')
  const greedy = await RawClient.connect(server, 'greedy', { headers: { 'Sec-WebSocket-Protocol': 'lastcall.v1' } })
  greedy.stopReading()
  // Nineteen wrong messages and a right one, again and again: each answer has more bytes than its message.
  const questions = Buffer.concat(
    Array.from({ length: 20 }, (_, index) => clientFrame(OPCODES.text, index === 0 ? '{"type":"ping"}' : '?')),
  )
  // When the server stops reading and the kernel's buffers are full, the writes of the client pile up.
  while (greedy.socket.writableLength < 1024 * 1024) {
    for (let index = 0; index < 100; index++) greedy.socket.write(questions)
    await new Promise((resolve) => setImmediate(resolve))
  }
  expect(server.connections.get('greedy')?.transport.bufferedBytes).toBeLessThan(1024 * 1024)
  await speaker.publish('the others are served')
  greedy.socket.destroy()
})

test('the server reads from a client whose welcome is larger than MAX_BUFFERED', async () => {
  const server = await start({ maxBufferedBytes: 1024 })
  const channels = Array.from({ length: 60 }, (_, index) => `a-channel-with-a-long-name-${index}`)
  const client = await server.connect(`nadia?channels=${channels.join()}`)
  expect(JSON.stringify(await client.first('welcome')).length).toBeGreaterThan(1024)
  await client.publish('heard')
})
