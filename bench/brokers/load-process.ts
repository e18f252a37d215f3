/**
 * A process that loads one instance: publishers with a window of unacknowledged messages each, and one subscriber that
 * receives the messages of all publishers of all instances and checks them. The parent process commands it (loaders.ts).
 */
import { CLOSE, FrameReader, PING, pongFrame, TEXT } from '../frames.js'
import { openClient, type LoadClient } from '../load.js'
import { isLoadCommand, type LoadCommand, type LoadFailure, type LoadState } from './load-commands.js'
import { channelOf, MessageFrames, OrderCheck } from './stream.js'

/** The server stops reading from a client with 64 unacknowledged messages. */
const WINDOW = 60
/** How often a limited load publishes what is due. */
const TICK_MS = 5

interface Publisher {
  readonly client: LoadClient
  readonly frames: MessageFrames
  unacked: number
  /** It publishes before the event loop goes on. */
  isDue: boolean
}

const check = new OrderCheck()
const publishers: Publisher[] = []
let isRunning = false
/** Messages that may be published so far. */
let allowed = 0
let published = 0
let onQuiet: () => void = () => undefined

/** `"type":"message"`, `"type":"ack"` and `"type":"error"` differ in the tenth byte of the frame's text. Other types do not matter. */
const KIND_AT = '{"type":"'.length
const MESSAGE = 'm'.charCodeAt(0)
const ACK = 'a'.charCodeAt(0)
const ERROR = 'e'.charCodeAt(0)

type OnText = (kind: number | undefined, bytes: Buffer, start: number, end: number) => void

/** Opens a client, and calls back with each text frame and the first letter of its type. */
async function open(name: string, path: string, port: number, onText: OnText): Promise<LoadClient> {
  let reader: FrameReader | undefined
  return await openClient({ port, path }, (data, { socket }) => {
    reader ??= new FrameReader((opcode, bytes, start, end) => {
      if (opcode === TEXT) onText(bytes[start + KIND_AT], bytes, start, end)
      else if (opcode === PING) socket.write(pongFrame(bytes.subarray(start, end)))
      else if (opcode === CLOSE) check.fault(`the server closed ${name}: ${bytes.toString('utf8', start, end)}`)
    })
    reader.read(data)
  })
}

async function openSubscriber(name: string, port: number, allPublishers: readonly number[]): Promise<void> {
  const channels = allPublishers.map(channelOf).join(',')
  await open(name, `/ws/${name}?channels=${channels}`, port, (kind, bytes, start, end) => {
    if (kind === MESSAGE) check.take(bytes, start, end)
    else if (kind === ERROR) check.fault(bytes.toString('utf8', start, end))
  })
}

async function openPublisher(name: string, port: number, number: number, size: number): Promise<void> {
  const state = { frames: new MessageFrames(number, size, WINDOW), unacked: 0, isDue: false }
  const client = await open(name, `/ws/${name}?channels=${channelOf(number)}`, port, (kind, bytes, start, end) => {
    if (kind === ERROR) check.fault(bytes.toString('utf8', start, end))
    if (kind !== ACK) return
    publisher.unacked--
    // Several acks come in one read: the messages that follow leave in one write.
    if (publisher.isDue) return
    publisher.isDue = true
    process.nextTick(() => {
      publisher.isDue = false
      publish(publisher)
    })
  })
  const publisher: Publisher = { ...state, client }
  publishers.push(publisher)
}

function publish(publisher: Publisher): void {
  if (isRunning) {
    const count = Math.min(WINDOW - publisher.unacked, allowed - published)
    if (count <= 0) return
    publisher.unacked += count
    published += count
    publisher.client.socket.write(publisher.frames.take(count))
  } else if (isQuiet()) onQuiet()
}

const isQuiet = (): boolean => publishers.every(({ unacked }) => unacked === 0)

/** @param rate Messages per second. */
function publishDue(rate: number): void {
  const startMs = performance.now()
  let turn = 0
  const timer = setInterval(() => {
    if (!isRunning) clearInterval(timer)
    allowed = Math.floor((rate * (performance.now() - startMs)) / 1000)
    // Each publisher has the first turn in its turn.
    turn = (turn + 1) % publishers.length
    for (const publisher of [...publishers.slice(turn), ...publishers.slice(0, turn)]) publish(publisher)
  }, TICK_MS)
}

async function carryOut(command: LoadCommand): Promise<LoadState> {
  switch (command.command) {
    case 'open': {
      const { name, port, own, allPublishers, size } = command
      await openSubscriber(name, port, allPublishers)
      for (const number of own) await openPublisher(`${name}-${number}`, port, number, size)
      break
    }
    case 'start':
      isRunning = true
      if (command.rate > 0) publishDue(command.rate)
      else {
        allowed = Infinity
        for (const publisher of publishers) publish(publisher)
      }
      break
    case 'stop':
      isRunning = false
      if (!isQuiet()) await new Promise<void>((resolve) => (onQuiet = resolve))
      break
    case 'sample':
  }
  const { delivered, digest, faults } = check
  return { published, delivered, digest, faults }
}

function answer(state: LoadState | LoadFailure): void {
  process.send?.(state)
}

process.on('message', (command) => {
  if (isLoadCommand(command)) carryOut(command).then(answer, (error: unknown) => answer({ error: String(error) }))
  else answer({ error: `this is no command: ${JSON.stringify(command)}` })
})
process.on('disconnect', () => process.exit())
