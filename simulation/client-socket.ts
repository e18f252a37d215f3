/**
 * The WebSocket of a simulated client. It records the frames that the client sends and receives until the client abandons it.
 */
import { eventOf, parseFrame, sentEventOf } from '#e2e/chaos/frames.js'
import type { WebSocketConstructor, WebSocketLike } from '@lastcall/client'
import { decodeClose, encodeClose, encodeControl, encodeText, FrameReader, OPCODES, type Frame } from './frames.js'
import type { SimulatedHistory } from './history.js'
import { openLine, type Line, type NetworkOptions } from './network.js'

export interface SocketOwner {
  readonly name: string
  readonly history: SimulatedHistory
  readonly network: NetworkOptions
  /** Called for each new connection. */
  readonly onSocket: (socket: ClientSocket) => void
}

const ABNORMAL = 1006

export class ClientSocket implements WebSocketLike {
  onmessage: ((event: { data: string }) => void) | null = null
  onclose: ((event: { code: number; reason: string }) => void) | null = null
  onerror: ((event: { message: string }) => void) | null = null
  readonly line: Line
  readonly #connection: string
  readonly #history: SimulatedHistory
  readonly #soon: (callback: () => void) => void
  readonly #frames = new FrameReader()
  #state: 'connecting' | 'open' | 'closing' | 'closed' = 'connecting'
  #isGivenUp = false

  constructor(owner: SocketOwner, connection: string, url: string) {
    const { name, history, network } = owner
    this.#connection = connection
    this.#history = history
    this.#soon = (callback) => void network.scheduler.after(0, callback)
    const { searchParams } = new URL(url)
    const channels = searchParams.get('channels')
    const cursor = searchParams.get('cursor') ?? undefined
    history.record({ type: 'connect', client: name, connection, cursor, channels: channels ? channels.split(',') : [] })
    this.line = openLine(network, url, {
      onOpen: () => this.#opened(),
      onRefused: () => this.#refused(),
      onBytes: (bytes) => this.#take(bytes),
      onEnd: () => this.#closed(ABNORMAL, ''),
    })
    owner.onSocket(this)
  }

  get isOpen(): boolean {
    return this.#state === 'open'
  }

  send(text: string): void {
    if (this.#state !== 'open') return
    const event = sentEventOf(this.#connection, text)
    if (event) this.#history.record(event)
    this.line.write(encodeText(text))
  }

  close(code = 1000): void {
    this.#giveUp()
    if (this.#state === 'open') {
      this.#state = 'closing'
      this.line.write(encodeClose(code, ''))
    } else if (this.#state === 'connecting') this.terminate()
  }

  terminate(): void {
    this.#giveUp()
    this.line.end()
    this.#soon(() => this.#closed(ABNORMAL, ''))
  }

  #giveUp(): void {
    if (this.#isGivenUp) return
    this.#isGivenUp = true
    this.#history.record({ type: 'given-up', connection: this.#connection })
  }

  #opened(): void {
    if (this.#state === 'connecting') this.#state = 'open'
  }

  #refused(): void {
    this.onerror?.({ message: 'refused' })
    this.#closed(ABNORMAL, '')
  }

  #take(bytes: Buffer): void {
    for (const frame of this.#frames.read(bytes)) {
      if (this.#state === 'closed') return
      this.#takeFrame(frame)
    }
  }

  #takeFrame(frame: Frame): void {
    if (frame.opcode === OPCODES.ping) this.line.write(encodeControl(OPCODES.pong, frame.payload))
    else if (frame.opcode === OPCODES.close) {
      const { code, reason } = decodeClose(frame)
      if (this.#state === 'open') this.line.write(encodeClose(code, ''))
      this.line.end()
      this.#closed(code, reason)
    } else if (frame.opcode === OPCODES.text) {
      const text = frame.payload.toString()
      const received = this.#isGivenUp ? undefined : parseFrame(text)
      if (received) this.#history.record(eventOf(this.#connection, received))
      this.onmessage?.({ data: text })
    }
  }

  #closed(code: number, reason: string): void {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    this.#history.record({ type: 'closed', connection: this.#connection, code })
    this.onclose?.({ code, reason })
  }
}

/** The class that a client is given in place of the WebSocket of its environment. */
export function socketClassFor(owner: SocketOwner): WebSocketConstructor {
  let count = 0
  return class extends ClientSocket {
    constructor(url: string) {
      super(owner, `${owner.name}#${++count}`, url)
    }
  }
}
