/**
 * A client for tests, by `ws`, which is not part of this project. It remembers every frame that it received, and waits
 * for the requested frames and never for time.
 */
import { WebSocket, type ClientOptions } from 'ws'
import type { PresenceChange, ServerMessage } from '@lastcall/protocol'

export interface TestClientOptions extends ClientOptions {
  readonly protocol?: string
}

type MessageOf<Type extends ServerMessage['type']> = Extract<ServerMessage, { type: Type }>

export interface Ending {
  readonly code: number
  readonly reason: string
}

export class TestClient {
  readonly socket: WebSocket
  /** The received frames, in order. */
  readonly messages: ServerMessage[] = []
  /** The frames as they came. */
  readonly texts: string[] = []
  readonly closed: Promise<Ending>
  #waiting = new Set<() => void>()
  #hasEnded = false

  private constructor(socket: WebSocket) {
    this.socket = socket
    socket.on('message', (data: Buffer) => {
      const text = data.toString()
      this.texts.push(text)
      this.messages.push(JSON.parse(text) as ServerMessage)
      for (const check of [...this.#waiting]) check()
    })
    this.closed = new Promise((resolve) => {
      socket.on('close', (code, reason) => {
        this.#hasEnded = true
        resolve({ code, reason: reason.toString() })
        for (const check of [...this.#waiting]) check()
      })
    })
  }

  /** Resolves when the handshake is done; the welcome may still be on its way. Rejects when it is refused. */
  static async connect(url: string, { protocol, ...options }: TestClientOptions = {}): Promise<TestClient> {
    const client = new TestClient(new WebSocket(url, protocol === undefined ? [] : [protocol], options))
    await new Promise<void>((resolve, reject) => {
      client.socket.once('open', resolve)
      client.socket.once('error', reject)
    })
    client.socket.on('error', () => undefined)
    return client
  }

  /** The first message, from the beginning, that fits; waits for it if it has not come. Rejects if the end comes first. */
  async until<Message extends ServerMessage>(fits: (message: ServerMessage) => message is Message): Promise<Message>
  async until(fits: (message: ServerMessage) => boolean): Promise<ServerMessage>
  async until(fits: (message: ServerMessage) => boolean): Promise<ServerMessage> {
    let looked = 0
    return new Promise((resolve, reject) => {
      const check = (): void => {
        while (looked < this.messages.length) {
          const message = this.messages[looked++] as ServerMessage
          if (!fits(message)) continue
          this.#waiting.delete(check)
          resolve(message)
          return
        }
        if (!this.#hasEnded) return
        this.#waiting.delete(check)
        const told = this.texts.slice(-20).map((text) => text.slice(0, 300))
        reject(new Error(`the connection ended first; at last it was told ${told.join('\n')}`))
      }
      this.#waiting.add(check)
      check()
    })
  }

  /** The first change of presence that fits; waits for it. */
  async presence(fits: (change: PresenceChange) => boolean = () => true): Promise<PresenceChange> {
    const { changes } = await this.first('presence', (frame) => frame.changes.some(fits))
    return changes.find(fits) as PresenceChange
  }

  /** All changes of presence so far. */
  presenceChanges(): PresenceChange[] {
    return this.all('presence').flatMap(({ changes }) => changes)
  }

  /** The first message of a type, that fits if something is asked of it. */
  first<Type extends ServerMessage['type']>(
    type: Type,
    fits: (message: MessageOf<Type>) => boolean = () => true,
  ): Promise<MessageOf<Type>> {
    return this.until(
      (message): message is MessageOf<Type> => message.type === type && fits(message as MessageOf<Type>),
    )
  }

  /** All messages of a type that came so far. */
  all<Type extends ServerMessage['type']>(type: Type): MessageOf<Type>[] {
    return this.messages.filter((message): message is MessageOf<Type> => message.type === type)
  }

  /** The data of all channel and direct messages that came so far. */
  get heard(): unknown[] {
    return this.messages.flatMap((message) =>
      message.type === 'message' || message.type === 'direct' ? [message.data] : [],
    )
  }

  /** The cursor: the welcome's epoch and the highest offset seen. */
  get cursor(): string {
    const welcome = this.messages[0]
    if (welcome?.type !== 'welcome') throw new Error('no welcome came')
    const [epoch, offset] = welcome.cursor.split(':') as [string, string]
    const offsets = this.messages.flatMap((message) => ('offset' in message ? [message.offset] : []))
    return `${epoch}:${String(Math.max(Number(offset), ...offsets))}`
  }

  send(message: string | object): void {
    this.socket.send(typeof message === 'string' ? message : JSON.stringify(message))
  }

  /** Publishes and waits for the ack; the answer is its offset. */
  async publish(data: unknown, options: { id?: string; channel?: string } = {}): Promise<number> {
    const { id = crypto.randomUUID(), channel = 'lobby' } = options
    this.send({ type: 'message', channel, data, id })
    return (await this.first('ack', (ack) => ack.id === id)).offset
  }

  /** Leaves politely. */
  async leave(): Promise<Ending> {
    this.socket.close(1000)
    return this.closed
  }
}
