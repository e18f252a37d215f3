/**
 * Round trips without lastcall, with which its latency is compared: an entry through the broker, and a message to a
 * WebSocket server and back. Each is opened once and then measured one trip at a time.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { createClient } from '@redis/client'
import { connect } from 'amqplib'
import { WebSocket } from 'ws'

/** The size of an entry in the journal whose message has 128 bytes. */
const ENTRY = Buffer.alloc(257, 'x')
const MAX_ENTRIES = '10000'
/** The arguments with which lastcall declares its queue by default. */
const QUEUE_ARGUMENTS = {
  'x-queue-type': 'stream',
  'x-stream-max-segment-size-bytes': 8 * 1024 * 1024,
  'x-max-length-bytes': 128 * 1024 * 1024,
}

/**
 * @typedef {object} Trip
 * @property {() => Promise<void>} go Resolves when one trip is over.
 * @property {() => void | Promise<void>} close
 */

/** @returns {Promise<Trip>} */
export async function webSocketTrip(message) {
  const server = fork(fileURLToPath(new URL('../peers/ws-echo.mjs', import.meta.url)))
  const [port] = await once(server, 'message')
  const socket = new WebSocket(`ws://127.0.0.1:${port}`, { perMessageDeflate: false })
  await once(socket, 'open')
  return {
    async go() {
      const answer = once(socket, 'message')
      socket.send(message)
      await answer
    },
    close() {
      socket.terminate()
      server.disconnect()
    },
  }
}

async function redisClient(url) {
  const { hostname, port } = new URL(url)
  const client = createClient({
    ...{ RESP: 2, maintNotifications: 'disabled' },
    socket: { host: hostname, port: Number(port), noDelay: true, reconnectStrategy: false },
  })
  client.on('error', () => undefined)
  return await client.connect()
}

/** @returns {Promise<Trip>} */
export async function redisPing(url) {
  const client = await redisClient(url)
  return {
    async go() {
      await client.sendCommand(['PING'])
    },
    close: () => client.destroy(),
  }
}

/** One connection appends, another one waits for what is appended. Both answers end a trip. @returns {Promise<Trip>} */
export async function redisTrip(url) {
  const [writer, reader] = [await redisClient(url), await redisClient(url)]
  const key = 'bare'
  let last = '0-0'
  return {
    async go() {
      const read = reader.sendCommand(['XREAD', 'COUNT', '500', 'BLOCK', '0', 'STREAMS', key, last])
      const written = writer.sendCommand(['XADD', key, 'MAXLEN', '~', MAX_ENTRIES, '*', 'e', ENTRY])
      const [reply] = await Promise.all([read, written])
      last = reply[0][1].at(-1)[0]
    },
    close() {
      writer.destroy()
      reader.destroy()
    },
  }
}

/** One connection publishes and waits for the confirm, another one consumes. Both end a trip. @returns {Promise<Trip>} */
export async function rabbitTrip(url) {
  const { hostname, port, username, password } = new URL(url)
  const address = { protocol: 'amqp', hostname, port: Number(port), username, password }
  const [producer, consumer] = [await connect(address, { noDelay: true }), await connect(address, { noDelay: true })]
  const queue = 'bare'
  const writing = await producer.createConfirmChannel()
  const reading = await consumer.createChannel()
  await writing.assertQueue(queue, { durable: true, arguments: QUEUE_ARGUMENTS })
  await reading.prefetch(500)
  let onMessage = () => undefined
  await reading.consume(
    queue,
    (message) => {
      reading.ack(message)
      onMessage()
    },
    { arguments: { 'x-stream-offset': 'next' } },
  )
  return {
    async go() {
      const consumed = new Promise((resolve) => (onMessage = resolve))
      writing.sendToQueue(queue, ENTRY, { persistent: true })
      await Promise.all([consumed, writing.waitForConfirms()])
    },
    async close() {
      await Promise.all([producer.close(), consumer.close()])
    },
  }
}
