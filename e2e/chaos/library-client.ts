/**
 * A client by @lastcall/client, used as an application would use it. The history has every call and event of the application, and
 * every frame of its connections.
 */
import { ClientError, connect, type Client, type Subscription } from '@lastcall/client'
import type { CampaignClient, CampaignClientOptions, Destination } from './campaign-client.js'
import type { NewEvent } from './history-events.js'
import { digestOf } from './history.js'
import { recordedSocket, type RecordedSocket } from './recorded-socket.js'

export class LibraryClient implements CampaignClient {
  readonly name: string
  readonly speaksIn: readonly string[]
  readonly toggles: string | undefined
  readonly #options: CampaignClientOptions
  #client: Client | undefined
  #socket: RecordedSocket | undefined
  readonly #subscriptions = new Map<string, Subscription>()
  /** The ids of the messages without an answer. */
  readonly #open = new Set<string>()
  #count = 0
  #isStopped = false

  constructor(options: CampaignClientOptions) {
    this.#options = options
    this.name = options.name
    this.speaksIn = options.speaksIn ?? ['lobby', ...options.channels]
    this.toggles = options.toggles
    options.history.record({ type: 'client', client: this.name, kind: 'library' })
  }

  start(): void {
    const { name: client, history, endpoint, channels, random, patienceMs, token } = this.#options
    const jitter = random.fork('jitter')
    const library = connect(endpoint(), {
      clientId: client,
      channels: [...channels],
      webSocket: recordedSocket(history, client, { onOpen: (socket) => (this.#socket = socket) }),
      minDelayMs: 100,
      maxDelayMs: 400,
      connectTimeoutMs: patienceMs,
      maxQueue: Infinity,
      random: () => jitter.next(),
      ...(token && { token }),
    })
    this.#client = library
    library.on('presence', ({ offset }) => history.record({ type: 'delivered', client, kind: 'presence', offset }))
    library.on('message', ({ channel, offset }) =>
      history.record({ type: 'delivered', client, kind: 'message', offset, channel }),
    )
    library.on('direct', ({ offset }) => history.record({ type: 'delivered', client, kind: 'direct', offset }))
    library.on('recovered', ({ recovered, channels }) => {
      this.#record({ type: 'returned', client, recovered })
      if (!recovered) history.record({ type: 'missed', client, channels })
    })
    library.on('state', (state) => this.#record({ type: 'state', client, state }))
    library.on('move', ({ from, to }) => this.#record({ type: 'moved', client, from, to }))
    library.on('error', ({ code, message, cause }) => {
      // An attempt that a killed server or a broken network ends is no fault: there is one such error for each.
      if (code !== 'connect_failed' || cause !== undefined) this.#fault(`error ${code}: ${message}`)
    })
    library.on('close', ({ code, reason }) => this.#fault(`closed for good: ${code} ${reason}`))
  }

  stop(): void {
    this.#isStopped = true
    this.#client?.close()
  }

  /** Records an event of the application, until the campaign stops the client. */
  #record(event: NewEvent): void {
    if (!this.#isStopped) this.#options.history.record(event)
  }

  #fault(text: string): void {
    this.#record({ type: 'server', instance: this.name, what: 'fault', text })
  }

  get #started(): Client {
    if (!this.#client) throw new Error(`${this.name} has not been started`)
    return this.#client
  }

  publish({ channel, to }: Destination, data: unknown): void {
    const { history } = this.#options
    const client = this.name
    const id = `${client}-${++this.#count}`
    history.record({ type: 'publish', client, id, channel, to, digest: digestOf(data) })
    this.#open.add(id)
    const promise =
      to === undefined ? this.#started.publish(data, { channel, id }) : this.#started.direct(to, data, { id })
    void promise
      .then(
        (offset) => history.record({ type: 'settled', client, id, offset }),
        (error: unknown) =>
          history.record({ type: 'rejected', client, id, code: error instanceof ClientError ? error.code : 'none' }),
      )
      .finally(() => this.#open.delete(id))
  }

  /** Breaks the connection as the network does, without the library. */
  leave(): void {
    this.#socket?.breakOff()
  }

  takeOver(): void {
    // The library opens a second connection only to migrate.
  }

  stopReading(forMs: number): void {
    const socket = this.#socket
    if (socket?.readyState !== 1) return
    socket.pause()
    setTimeout(() => socket.resume(), forMs).unref()
  }

  part(channel: string): void {
    const subscription = this.#subscriptions.get(channel)
    if (!subscription) return
    this.#subscriptions.delete(channel)
    this.#options.history.record({ type: 'done-with', client: this.name, channel })
    subscription.unsubscribe()
  }

  join(channel: string): void {
    if (this.#subscriptions.has(channel)) return
    this.#options.history.record({ type: 'wants', client: this.name, channel })
    this.#subscriptions.set(
      channel,
      this.#started.subscribe(channel, () => undefined),
    )
  }

  get absentChannels(): readonly string[] {
    return []
  }

  isDone(): boolean {
    return this.#started.state === 'open' && this.#open.size === 0
  }

  get report(): string {
    return `${this.name}: ${this.#started.state}, ${this.#open.size} unanswered`
  }
}
