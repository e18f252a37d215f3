/**
 * A client on a bare TCP socket, for what a well-behaved library does not do: not read, not answer, say nonsense.
 */
import { randomBytes } from 'node:crypto'
import { connect, type Socket } from 'node:net'
import type { ServerMessage } from '@lastcall/protocol'

interface Place {
  readonly host: string
  readonly port: number
}

export const OPCODES = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const

export interface Frame {
  readonly opcode: number
  readonly payload: Buffer
}

/** A frame as a client sends it: masked (RFC 6455 section 5.3). */
export function clientFrame(opcode: number, payload: Buffer | string, { fin = true } = {}): Buffer {
  const data = Buffer.from(payload)
  const mask = randomBytes(4)
  const length =
    data.length < 126
      ? Buffer.from([0x80 | data.length])
      : data.length < 65536
        ? Buffer.from([0x80 | 126, data.length >> 8, data.length & 255])
        : Buffer.concat([Buffer.from([0x80 | 127]), lengthOf(data.length)])
  const masked = data.map((byte, index) => byte ^ (mask[index % 4] as number))
  return Buffer.concat([Buffer.from([(fin ? 0x80 : 0) | opcode]), length, mask, masked])
}

function lengthOf(length: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64BE(BigInt(length))
  return bytes
}

/** Reads whole frames of a server off the front; the rest stays. Throws on a frame that no server may send. */
export function readFrames(bytes: Buffer): { frames: Frame[]; rest: Buffer } {
  const frames: Frame[] = []
  let at = 0
  while (bytes.length >= at + 2) {
    const first = bytes.readUInt8(at)
    const second = bytes.readUInt8(at + 1)
    if ((first & 0xf0) !== 0x80) throw new Error(`fragmented, or with reserved bits: ${first.toString(16)}`)
    if (second & 0x80) throw new Error('masked')
    const short = second & 0x7f
    const header = short < 126 ? 2 : short === 126 ? 4 : 10
    if (bytes.length < at + header) break
    const length =
      short < 126 ? short : short === 126 ? bytes.readUInt16BE(at + 2) : Number(bytes.readBigUInt64BE(at + 2))
    if (bytes.length < at + header + length) break
    frames.push({ opcode: first & 0x0f, payload: bytes.subarray(at + header, at + header + length) })
    at += header + length
  }
  return { frames, rest: bytes.subarray(at) }
}

/** Says something over TCP and returns everything that is answered until the server ends the connection. */
export function exchange({ host, port }: Place, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    connect(port, host)
      .on('data', (chunk) => chunks.push(chunk))
      .on('end', () => resolve(Buffer.concat(chunks).toString()))
      .on('error', reject)
      .end(text)
  })
}

/** The request of a handshake, with these headers besides or instead. */
export function handshake(path: string, headers: Readonly<Record<string, string | undefined>> = {}): string {
  const all: Readonly<Record<string, string | undefined>> = {
    Host: 'localhost',
    Connection: 'Upgrade',
    Upgrade: 'websocket',
    'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Key': randomBytes(16).toString('base64'),
    ...headers,
  }
  const lines = Object.entries(all).flatMap(([name, value]) => (value === undefined ? [] : [`${name}: ${value}`]))
  return [`GET ${path} HTTP/1.1`, ...lines, '', ''].join('\r\n')
}

export interface RawEnd {
  /** Of the server's close frame; `undefined`: it sent none. */
  readonly code: number | undefined
  readonly reason: string
}

export class RawClient {
  readonly socket: Socket
  readonly messages: ServerMessage[] = []
  /** The opcodes that came besides text. */
  readonly controls: number[] = []
  /** Frames that came after a close frame: none may (RFC 6455 section 5.5.1). */
  framesAfterClose = 0
  /** Resolves with the content of the close frame when the socket has ended. */
  readonly ended: Promise<RawEnd>
  /** Resolves when a close frame has come. */
  readonly closeFrame: Promise<RawEnd>
  readonly #answersPings: boolean
  #bytes: Buffer = Buffer.alloc(0)
  #end: RawEnd = { code: undefined, reason: '' }
  #hasEnded = false
  #checks = new Set<() => void>()

  private constructor(socket: Socket, answersPings: boolean) {
    this.socket = socket
    this.#answersPings = answersPings
    socket.on('error', () => undefined)
    this.ended = new Promise((resolve) => {
      socket.on('close', () => {
        this.#hasEnded = true
        for (const check of [...this.#checks]) check()
        resolve(this.#end)
      })
    })
    this.closeFrame = this.#when(() => (this.#end.code === undefined ? undefined : this.#end))
    this.closeFrame.catch(() => undefined)
  }

  /** Resolves with the welcome. */
  static async connect(
    { host, port }: Place,
    path: string,
    { headers = {}, answersPings = true }: { headers?: Readonly<Record<string, string>>; answersPings?: boolean } = {},
  ): Promise<RawClient> {
    const socket = connect(port, host)
    const client = new RawClient(socket, answersPings)
    socket.write(handshake(`/ws/${path}`, headers))
    await new Promise<void>((resolve, reject) => {
      let head = Buffer.alloc(0)
      const onData = (chunk: Buffer): void => {
        head = Buffer.concat([head, chunk])
        const end = head.indexOf('\r\n\r\n')
        if (end < 0) return
        socket.off('data', onData)
        if (!head.toString('latin1').startsWith('HTTP/1.1 101')) return reject(new Error(head.toString()))
        socket.on('data', (more: Buffer) => client.#read(more))
        client.#read(head.subarray(end + 4))
        resolve()
      }
      socket.on('data', onData)
      socket.once('error', reject)
    })
    await client.until(({ type }) => type === 'welcome')
    return client
  }

  #read(chunk: Buffer): void {
    const { frames, rest } = readFrames(this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk]))
    this.#bytes = rest
    for (const { opcode, payload } of frames) {
      if (this.#end.code !== undefined) this.framesAfterClose++
      if (opcode === OPCODES.text) this.messages.push(JSON.parse(payload.toString()) as ServerMessage)
      else this.controls.push(opcode)
      if (opcode === OPCODES.ping && this.#answersPings) this.send(OPCODES.pong, payload)
      if (opcode === OPCODES.close) {
        this.#end = { code: payload.length >= 2 ? payload.readUInt16BE(0) : 1005, reason: payload.toString('utf8', 2) }
      }
    }
    if (frames.length > 0) for (const check of [...this.#checks]) check()
  }

  #when<T>(look: () => T | undefined): Promise<T> {
    return new Promise((resolve, reject) => {
      const check = (): void => {
        const found = look()
        if (found === undefined && !this.#hasEnded) return
        this.#checks.delete(check)
        if (found === undefined) reject(new Error('the connection ended first'))
        else resolve(found)
      }
      this.#checks.add(check)
      check()
    })
  }

  /** The first message that fits; waits for it. Rejects if the end comes first. */
  until(fits: (message: ServerMessage) => boolean): Promise<ServerMessage> {
    let looked = 0
    return this.#when(() => {
      while (looked < this.messages.length) {
        const message = this.messages[looked++] as ServerMessage
        if (fits(message)) return message
      }
      return undefined
    })
  }

  /** The offsets of everything from the journal, in the order in which it came. */
  get offsets(): number[] {
    return this.messages.flatMap((message) => ('offset' in message && message.type !== 'pong' ? [message.offset] : []))
  }

  send(opcode: number, payload: Buffer | string, options?: { fin: boolean }): void {
    this.socket.write(clientFrame(opcode, payload, options))
  }

  say(message: string | object): void {
    this.send(OPCODES.text, typeof message === 'string' ? message : JSON.stringify(message))
  }

  /** Says that it closes, or answers that the server does; the socket stays. */
  sendClose(code = 1000): void {
    const payload = Buffer.alloc(2)
    payload.writeUInt16BE(code)
    this.send(OPCODES.close, payload)
  }

  /** From now on nothing is taken off the socket: the server's writes pile up in the kernel, then at the server. */
  stopReading(): void {
    this.socket.pause()
  }

  startReading(): void {
    this.socket.resume()
  }
}
