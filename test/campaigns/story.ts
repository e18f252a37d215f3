/**
 * Handwritten histories: the publishes, connections and deliveries of anna, bob and others, one event after the other.
 */
import type { HistoryEvent, HistoryFile, Terms } from '../../e2e/chaos/history-events.js'

type Omitted<Event> = Event extends HistoryEvent ? Omit<Event, 'at'> : never

export interface Place {
  readonly channel?: string
  readonly to?: string
}

const TERMS: Terms = { historySize: 1000, historyTtlMs: 3_600_000, instances: 1, presence: false, complete: true }

export class Story {
  readonly events: HistoryEvent[] = [{ type: 'begin', at: 0, wallMs: 0 }]
  readonly #terms: Terms
  /** client → the number of its connections so far */
  readonly #connections = new Map<string, number>()
  readonly #said = new Map<string, Place & { readonly client: string }>()
  #now = 0
  #node = 'node'

  constructor(terms: Partial<Terms> = {}) {
    this.#terms = { ...TERMS, ...terms }
  }

  get file(): HistoryFile {
    return { terms: this.#terms, events: this.events }
  }

  add(event: Omitted<HistoryEvent>): this {
    this.events.push({ ...event, at: ++this.#now })
    return this
  }

  /** This server accepts the following connections. */
  by(node: string): this {
    this.#node = node
    return this
  }

  /** The broker loses every entry behind this position, or all entries. */
  lost(epoch?: string, offset?: number): this {
    const place = epoch !== undefined && offset !== undefined ? { epoch, offset } : {}
    return this.add({ type: 'broker', what: 'lost', ...place, text: '' })
  }

  /** Every server can reach the broker again. */
  joined(): this {
    return this.add({ type: 'broker', what: 'joined', text: '' })
  }

  /** Lets time pass. */
  wait(ms: number): this {
    this.#now += ms
    return this
  }

  /** The client's newest connection. */
  #of(client: string): string {
    return `${client}#${this.#connections.get(client) ?? 0}`
  }

  connect(client: string, cursor?: string, channels: readonly string[] = []): this {
    this.#connections.set(client, (this.#connections.get(client) ?? 0) + 1)
    return this.add({
      type: 'connect',
      client,
      connection: this.#of(client),
      channels,
      ...(cursor !== undefined && { cursor }),
    })
  }

  welcome(client: string, cursor: string, recovered: boolean | null = null, channels: readonly string[] = []): this {
    const connection = this.#of(client)
    return this.add({
      type: 'welcome',
      connection,
      cursor,
      recovered,
      channels: ['lobby', ...channels],
      node: this.#node,
    })
  }

  /** Connects for the first time. */
  come(client: string, offset = 0, channels: readonly string[] = []): this {
    return this.connect(client, undefined, channels).welcome(client, `E:${offset}`, null, channels)
  }

  /** Reconnects; the server accepts the cursor. */
  comeBack(client: string, offset: number, channels: readonly string[] = []): this {
    return this.connect(client, `E:${offset}`, channels).welcome(client, `E:${offset}`, true, channels)
  }

  close(client: string, code = 1006): this {
    return this.add({ type: 'closed', connection: this.#of(client), code })
  }

  says(client: string, id: string, place: Place = { channel: 'lobby' }): this {
    this.#said.set(id, { client, ...place })
    return this.add({ type: 'publish', client, id, digest: `digest of ${id}`, ...place })
  }

  /** Sends the message on the client's newest connection. */
  sends(client: string, id: string): this {
    return this.add({ type: 'send', connection: this.#of(client), id })
  }

  /** The client's newest connection receives a message as it was published. */
  told(client: string, offset: number, id: string, some: object = {}): this {
    const { client: from = 'nobody', channel, to } = this.#said.get(id) ?? {}
    const saidAt = new Date(this.#now).toISOString()
    const common = { connection: this.#of(client), from, id, offset, digest: `digest of ${id}`, saidAt }
    return to === undefined
      ? this.add({ type: 'message', channel: channel ?? 'lobby', ...common, ...some })
      : this.add({ type: 'direct', ...common, ...some })
  }

  ack(client: string, offset: number, id: string): this {
    return this.add({ type: 'ack', connection: this.#of(client), id, offset })
  }

  settled(client: string, offset: number, id: string): this {
    return this.add({ type: 'settled', client, id, offset })
  }

  /** The client receives the ack, and its promise resolves. */
  acked(client: string, offset: number, id: string): this {
    return this.ack(client, offset, id).settled(client, offset, id)
  }

  pong(client: string, offset: number): this {
    return this.add({ type: 'pong', connection: this.#of(client), offset })
  }

  subscribe(client: string, channel: string, since?: string): this {
    return this.add({
      type: 'subscribe',
      connection: this.#of(client),
      request: channel,
      channels: [channel],
      ...(since !== undefined && { since }),
    })
  }

  subscribed(client: string, channel: string, cursor: string, recovered: boolean | null = null): this {
    const connection = this.#of(client)
    return this.add({ type: 'subscribed', connection, request: channel, channels: [channel], cursor, recovered })
  }

  unsubscribed(client: string, channel: string, cursor: string): this {
    const connection = this.#of(client)
    return this.add({
      type: 'unsubscribed',
      connection,
      request: channel,
      channels: [channel],
      cursor,
      recovered: null,
    })
  }

  delivered(client: string, offset: number, channel = 'lobby'): this {
    return this.add({ type: 'delivered', client, kind: 'message', channel, offset })
  }
}
