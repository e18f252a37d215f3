/**
 * WebSockets that record in a history what they send and receive.
 */
import { WebSocket } from 'ws'
import { eventOf, parseFrame, sentEventOf } from './frames.js'
import type { History } from './history.js'

export interface RecordedSocketOptions {
  /** Called with each new connection. */
  readonly onOpen?: (socket: RecordedSocket) => void
}

/** A connection that records what it sends and receives until its client has given it up. */
export class RecordedSocket extends WebSocket {
  readonly connection: string
  readonly #history: History
  #isGivenUp = false

  constructor(history: History, client: string, connection: string, url: string, protocol: string | string[]) {
    super(url, protocol, { perMessageDeflate: false })
    this.connection = connection
    this.#history = history
    const query = new URL(url).searchParams
    const channels = query.get('channels')
    history.record({
      type: 'connect',
      client,
      connection,
      cursor: query.get('cursor') ?? undefined,
      channels: channels ? channels.split(',') : [],
    })
    this.on('message', (data: Buffer) => this.#take(data.toString()))
    this.on('close', (code) => history.record({ type: 'closed', connection, code }))
  }

  #take(text: string): void {
    const frame = this.#isGivenUp ? undefined : parseFrame(text)
    if (frame) this.#history.record(eventOf(this.connection, frame))
  }

  override send(text: string): void {
    const event = sentEventOf(this.connection, text)
    if (event) this.#history.record(event)
    super.send(text)
  }

  /** `ws` itself calls this, too, when it has read the peer's close frame. */
  override close(code?: number, reason?: string): void {
    this.#giveUp()
    super.close(code, reason)
  }

  override terminate(): void {
    this.#giveUp()
    super.terminate()
  }

  /** Ends as by a failure of the network: the client has not given it up. */
  breakOff(): void {
    super.terminate()
  }

  #giveUp(): void {
    if (this.#isGivenUp) return
    this.#isGivenUp = true
    this.#history.record({ type: 'given-up', connection: this.connection })
  }
}

export type RecordedSocketClass = new (url: string, protocol: string | string[]) => RecordedSocket

/** A WebSocket class for the connections of this client. */
export function recordedSocket(
  history: History,
  client: string,
  { onOpen }: RecordedSocketOptions = {},
): RecordedSocketClass {
  let count = 0
  return class extends RecordedSocket {
    constructor(url: string, protocol: string | string[]) {
      super(history, client, `${client}#${++count}`, url, protocol)
      onOpen?.(this)
    }
  }
}
