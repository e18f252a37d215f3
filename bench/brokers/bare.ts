/**
 * Round trips without lastcall, with which its latency is compared: an entry through the broker, and a message to a
 * WebSocket server and back. Each is opened once and then measured one trip at a time.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createClient } from '@redis/client'
import { connect } from 'amqplib'
import { WebSocket } from 'ws'
import { ROOT } from '../../scripts/repository.js'

/** The size of an entry in the journal whose message has 128 bytes. */
const ENTRY = Buffer.alloc(257, 'x')
const MAX_ENTRIES = '10000'
/** The arguments with which lastcall declares its queue by default. */
const QUEUE_ARGUMENTS = {
  'x-queue-type': 'stream',
  'x-stream-max-segment-size-bytes': 8 * 1024 * 1024,
  'x-max-length-bytes': 128 * 1024 * 1024,
}

export interface Trip {
  /** Resolves when one trip is over. */
  readonly go: () => Promise<void>
  readonly close: () => Promise<void>
}

/** To a server of `ws` that sends each message back. */
export async function webSocketTrip(message: string): Promise<Trip> {
  const server = fork(join(ROOT, 'bench/peers/ws-echo.mjs'))
  const started: readonly unknown[] = await once(server, 'message')
  const socket = new WebSocket(`ws://127.0.0.1:${String(started[0])}`, { perMessageDeflate: false })
  await once(socket, 'open')
  return {
    go: async () => {
      const answer = once(socket, 'message')
      socket.send(message)
      await answer
    },
    close: () => {
      socket.terminate()
      server.disconnect()
      return Promise.resolve()
    },
  }
}

type RedisClient = Awaited<ReturnType<typeof connectRedis>>

async function connectRedis(url: string) {
  const { hostname, port } = new URL(url)
  const client = createClient({
    RESP: 2,
    maintNotifications: 'disabled',
    socket: { host: hostname, port: Number(port), noDelay: true, reconnectStrategy: false },
  })
  client.on('error', () => undefined)
  await client.connect()
  return client
}

/** A command that does nothing, and its answer. */
export async function redisPing(url: string): Promise<Trip> {
  const client = await connectRedis(url)
  return {
    go: async () => {
      await client.sendCommand(['PING'])
    },
    close: () => closeRedis(client),
  }
}

/** One connection appends, another one waits for the entry. The trip ends when both have their answers. */
export async function redisTrip(url: string): Promise<Trip> {
  const [writer, reader] = [await connectRedis(url), await connectRedis(url)]
  const key = 'bare'
  let last = '0-0'
  return {
    go: async () => {
      const read = reader.sendCommand(['XREAD', 'COUNT', '500', 'BLOCK', '0', 'STREAMS', key, last])
      const written = writer.sendCommand(['XADD', key, 'MAXLEN', '~', MAX_ENTRIES, '*', 'e', ENTRY])
      const [reply] = await Promise.all([read, written])
      last = lastIdOf(reply)
    },
    close: () => closeRedis(writer, reader),
  }
}

function closeRedis(...clients: readonly RedisClient[]): Promise<void> {
  for (const client of clients) client.destroy()
  return Promise.resolve()
}

/** @param reply Of XREAD, by RESP2: `[[key, [[id, fields], …]]]`. */
function lastIdOf(reply: unknown): string {
  const stream: unknown = Array.isArray(reply) ? reply[0] : undefined
  const entries: unknown = Array.isArray(stream) ? stream[1] : undefined
  const entry: unknown = Array.isArray(entries) ? entries.at(-1) : undefined
  const id: unknown = Array.isArray(entry) ? entry[0] : undefined
  if (typeof id !== 'string') throw new Error(`XREAD answered ${JSON.stringify(reply)}`)
  return id
}

/** One connection publishes and waits for the confirm, another one consumes. The trip ends when both have happened. */
export async function rabbitTrip(url: string): Promise<Trip> {
  const { hostname, port, username, password } = new URL(url)
  const address = { protocol: 'amqp', hostname, port: Number(port), username, password }
  const [producer, consumer] = [await connect(address, { noDelay: true }), await connect(address, { noDelay: true })]
  const queue = 'bare'
  const writing = await producer.createConfirmChannel()
  const reading = await consumer.createChannel()
  await writing.assertQueue(queue, { durable: true, arguments: QUEUE_ARGUMENTS })
  await reading.prefetch(500)
  let onMessage: () => void = () => undefined
  await reading.consume(
    queue,
    (message) => {
      if (message === null) throw new Error(`somebody has deleted the queue ${queue}`)
      reading.ack(message)
      onMessage()
    },
    { arguments: { 'x-stream-offset': 'next' } },
  )
  return {
    go: async () => {
      const consumed = new Promise<void>((resolve) => (onMessage = resolve))
      writing.sendToQueue(queue, ENTRY, { persistent: true })
      await Promise.all([consumed, writing.waitForConfirms()])
    },
    close: async () => {
      await Promise.all([producer.close(), consumer.close()])
    },
  }
}
