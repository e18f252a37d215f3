/**
 * A process that loads one instance: publishers with a window of unacknowledged messages each, and one subscriber that
 * receives the messages of all publishers of all instances and checks them. The parent process commands it (`load.mjs`).
 */
import { openClient } from '../load.mjs'
import { CLOSE, FrameReader, PING, pong, TEXT } from './frames.mjs'
import { channelOf, MessageFrames, OrderCheck } from './stream.mjs'

/** The server stops reading from a client with 64 unacknowledged messages. */
const WINDOW = 60
/** How often a limited load publishes what is due. */
const TICK_MS = 5

const check = new OrderCheck()
const publishers = []
let isRunning = false
/** Messages that may be published so far. */
let allowed = 0
let published = 0
let onQuiet = () => undefined

/** `"type":"message"` and `"type":"ack"` differ in the tenth byte of the frame's text; others matter only when they are errors. */
const KIND_AT = '{"type":"'.length
const [MESSAGE, ACK, ERROR] = ['m', 'a', 'e'].map((letter) => letter.charCodeAt(0))

/** Calls back with each text frame whose type begins with this letter. */
async function open(name, path, port, onText) {
  let client
  const reader = new FrameReader((opcode, bytes, start, end) => {
    if (opcode === TEXT) onText(bytes[start + KIND_AT], bytes, start, end)
    else if (opcode === PING) client.socket.write(pong(bytes, start, end))
    else if (opcode === CLOSE) check.fault(`the server closed ${name}: ${bytes.toString('utf8', start, end)}`)
  })
  const early = []
  client = await openClient({ port, path }, (data) => (client ? reader.read(data) : early.push(data)))
  for (const data of early) reader.read(data)
  return client
}

async function openSubscriber({ name, port, allPublishers }) {
  const channels = allPublishers.map(channelOf).join(',')
  await open(name, `/ws/${name}?channels=${channels}`, port, (kind, bytes, start, end) => {
    if (kind === MESSAGE) check.take(bytes, start, end)
    else if (kind === ERROR) check.fault(bytes.toString('utf8', start, end))
  })
}

async function openPublisher({ name, port, publisher, size }) {
  const frames = new MessageFrames(publisher, size, WINDOW)
  const own = { frames, unacked: 0, client: undefined }
  own.client = await open(name, `/ws/${name}?channels=${channelOf(publisher)}`, port, (kind, bytes, start, end) => {
    if (kind === ERROR) check.fault(bytes.toString('utf8', start, end))
    if (kind !== ACK) return
    own.unacked--
    // Several acks come in one read: the messages that follow leave in one write.
    if (own.isDue) return
    own.isDue = true
    process.nextTick(() => {
      own.isDue = false
      publish(own)
    })
  })
  publishers.push(own)
}

function publish(own) {
  if (isRunning) {
    const count = Math.min(WINDOW - own.unacked, allowed - published)
    if (count <= 0) return
    own.unacked += count
    published += count
    own.client.socket.write(own.frames.take(count))
  } else if (publishers.every(({ unacked }) => unacked === 0)) onQuiet()
}

function publishDue(rate) {
  const startMs = performance.now()
  let turn = 0
  const timer = setInterval(() => {
    if (!isRunning) clearInterval(timer)
    allowed = Math.floor((rate * (performance.now() - startMs)) / 1000)
    // Each publisher has the first turn in its turn.
    turn++
    for (let index = 0; index < publishers.length; index++) publish(publishers[(index + turn) % publishers.length])
  }, TICK_MS)
}

const COMMANDS = {
  async open({ name, port, own, allPublishers, size }) {
    await openSubscriber({ name, port, allPublishers })
    for (const publisher of own) await openPublisher({ name: `${name}-${publisher}`, port, publisher, size })
  },

  /** @param {{ rate: number }} command Messages per second; 0: as many as the windows allow. */
  async start({ rate }) {
    isRunning = true
    if (rate > 0) return publishDue(rate)
    allowed = Infinity
    for (const own of publishers) publish(own)
  },

  async sample() {
    return { delivered: check.delivered, published, atMs: performance.timeOrigin + performance.now() }
  },

  /** Resolves when every message is acknowledged. */
  async stop() {
    isRunning = false
    if (!publishers.every(({ unacked }) => unacked === 0)) await new Promise((resolve) => (onQuiet = resolve))
    return { published }
  },

  async result() {
    const { delivered, digest, faults } = check
    return { delivered, digest, faults }
  },
}

process.on('message', ({ command, ...options }) => {
  COMMANDS[command](options).then(
    (answer) => process.send({ answer: answer ?? null }),
    (error) => process.send({ error: String(error) }),
  )
})
process.on('disconnect', () => process.exit())
