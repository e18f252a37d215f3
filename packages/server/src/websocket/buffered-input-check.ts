/**
 * Checks at the start of a worker that `bufferedInput` is right for the installed version of `ws`: it cuts a random stream of
 * frames at every byte, moves the buffered bytes of one receiver to a second one, and compares the messages of both with those
 * of an uncut stream.
 */
import { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { WebSocketServer, type WebSocket } from 'ws'
import type { Randomness } from '../randomness.js'
import { bufferedInput } from './buffered-input.js'

/** Reads the buffered bytes of a socket of `ws`. */
export type ReadBufferedInput = typeof bufferedInput

/** `false`: the server must not use `bufferedInput`. */
export function checkBufferedInput(
  randomness: Pick<Randomness, 'bytes'>,
  read: ReadBufferedInput = bufferedInput,
): boolean {
  const stream = randomStream(randomness)
  try {
    const whole = readerOf()
    whole.push(stream)
    for (let cut = 0; cut <= stream.length; cut++) {
      const [before, after] = [readerOf(), readerOf()]
      before.push(stream.subarray(0, cut))
      const head = read(before.webSocket)
      if (!head) return false
      // One write for each half, as the socket of the next process delivers them.
      after.push(head)
      after.push(stream.subarray(cut))
      if ([...before.messages, ...after.messages].join('\n') !== whole.messages.join('\n')) return false
    }
    return whole.messages.length === MESSAGES
  } catch {
    // This version of `ws` lacks what the check uses.
    return false
  }
}

interface Reader {
  readonly webSocket: WebSocket
  /** The messages, pings and pongs so far. */
  readonly messages: string[]
  push(bytes: Buffer): void
}

function readerOf(): Reader {
  const messages: string[] = []
  const stream = new Duplex({ read: () => undefined, write: (_chunk, _encoding, done) => done() })
  const request = new IncomingMessage(new Socket())
  request.method = 'GET'
  request.headers = {
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': Buffer.alloc(16).toString('base64'),
  }
  const server = new WebSocketServer({ noServer: true, clientTracking: false, perMessageDeflate: false })
  let opened: WebSocket | undefined
  server.handleUpgrade(request, stream, Buffer.alloc(0), (webSocket) => {
    opened = webSocket
    for (const event of ['ping', 'pong', 'message'] as const) {
      webSocket.on(event, (data: Buffer) => messages.push(`${event} ${data.toString('base64')}`))
    }
    webSocket.on('error', (error) => messages.push(error.message))
  })
  const [parse] = stream.listeners('data')
  if (!opened || !parse) throw new Error('ws has changed')
  return {
    webSocket: opened,
    messages,
    push: (bytes) => void Reflect.apply(parse, stream, [Buffer.from(bytes)]),
  }
}

const [CONTINUATION, TEXT, BINARY, PING, PONG] = [0, 1, 2, 9, 10]

/** The number of messages, pings and pongs in the stream below. */
const MESSAGES = 7

function randomStream({ bytes }: Pick<Randomness, 'bytes'>): Buffer {
  const frame = (fin: boolean, opcode: number, length: number): Buffer => {
    const payload = Buffer.from(bytes(length)).map((byte) => 97 + (byte % 26))
    const mask = Buffer.from(bytes(4))
    const size = length < 126 ? [0x80 | length] : [0x80 | 126, length >> 8, length & 255]
    const masked = payload.map((byte, index) => byte ^ (mask[index % 4] ?? 0))
    return Buffer.concat([Buffer.from([(fin ? 0x80 : 0) | opcode, ...size]), mask, masked])
  }
  return Buffer.concat([
    frame(true, TEXT, 9),
    frame(false, TEXT, 5),
    frame(true, PING, 3),
    frame(false, CONTINUATION, 7),
    frame(true, CONTINUATION, 4),
    frame(false, BINARY, 0),
    frame(true, PONG, 2),
    frame(true, CONTINUATION, 6),
    frame(true, TEXT, 0),
    frame(true, TEXT, 130),
  ])
}
