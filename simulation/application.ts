/**
 * A simulated application above @lastcall/client: it publishes, subscribes, and records the events of its client.
 */
import type { NewEvent } from '#e2e/chaos/history-events.js'
import { digestOf } from '#e2e/chaos/history.js'
import type { Random } from '#e2e/chaos/random.js'
import { ClientError, connect, type Client, type Subscription } from '@lastcall/client'
import { socketClassFor, type ClientSocket } from './client-socket.js'
import type { SimulatedHistory } from './history.js'
import type { NetworkOptions } from './network.js'

export interface ApplicationOptions {
  readonly name: string
  readonly channels: readonly string[]
  readonly network: NetworkOptions
  readonly history: SimulatedHistory
  readonly random: Random
  readonly hasToken: boolean
}

export class Application {
  readonly #options: ApplicationOptions
  readonly #client: Client
  readonly #subscriptions = new Map<string, Subscription>()
  readonly #open = new Set<string>()
  #socket: ClientSocket | undefined
  #count = 0
  #isStopped = false

  constructor(options: ApplicationOptions) {
    this.#options = options
    const { name, channels, network, history, random, hasToken } = options
    const { scheduler } = network
    history.record({ type: 'client', client: name, kind: 'library' })
    this.#client = connect('ws://simulated/ws', {
      clientId: name,
      channels,
      webSocket: socketClassFor({ name, history, network, onSocket: (socket) => (this.#socket = socket) }),
      minDelayMs: 100,
      maxDelayMs: 400,
      connectTimeoutMs: 1500,
      maxQueue: Infinity,
      random: () => random.next(),
      clock: { now: () => scheduler.nowMs, after: (ms, callback) => scheduler.after(ms, callback) },
      ...(hasToken && { token: name }),
    })
    this.#listen()
  }

  get name(): string {
    return this.#options.name
  }

  /** Whether it is connected and all of its messages are answered. */
  get isDone(): boolean {
    return this.#client.state === 'open' && this.#open.size === 0
  }

  get report(): string {
    return `${this.name}: ${this.#client.state}, ${this.#open.size} unanswered`
  }

  publish(place: { readonly channel: string } | { readonly to: string }, size: number): void {
    const { history } = this.#options
    const id = `${this.name}-${++this.#count}`
    const data = { id, filler: 'x'.repeat(size) }
    history.record({ type: 'publish', client: this.name, id, ...place, digest: digestOf(data) })
    this.#open.add(id)
    const answer =
      'to' in place
        ? this.#client.direct(place.to, data, { id })
        : this.#client.publish(data, { channel: place.channel, id })
    answer
      .then(
        (offset) => this.#record({ type: 'settled', client: this.name, id, offset }),
        (error: unknown) =>
          this.#record({
            type: 'rejected',
            client: this.name,
            id,
            code: error instanceof ClientError ? error.code : 'none',
          }),
      )
      .finally(() => this.#open.delete(id))
      .catch(() => undefined)
  }

  join(channel: string): void {
    if (this.#subscriptions.has(channel)) return
    this.#record({ type: 'wants', client: this.name, channel })
    this.#subscriptions.set(
      channel,
      this.#client.subscribe(channel, () => undefined),
    )
  }

  part(channel: string): void {
    const subscription = this.#subscriptions.get(channel)
    if (!subscription) return
    this.#subscriptions.delete(channel)
    this.#record({ type: 'done-with', client: this.name, channel })
    subscription.unsubscribe()
  }

  cut(how: 'reset' | 'silent'): void {
    this.#socket?.line.cut(how)
  }

  stall(ms: number): void {
    this.#socket?.line.stall(ms)
  }

  stopReading(ms: number): void {
    const line = this.#socket?.line
    if (!line) return
    line.isRead = false
    this.#options.network.scheduler.after(ms, () => (line.isRead = true))
  }

  /** Stops the recording. */
  stop(): void {
    this.#isStopped = true
    this.#client.close()
  }

  #listen(): void {
    const events = this.#client
    const client = this.name
    events.on('presence', ({ offset }) => this.#record({ type: 'delivered', client, kind: 'presence', offset }))
    events.on('message', ({ channel, offset }) =>
      this.#record({ type: 'delivered', client, kind: 'message', offset, channel }),
    )
    events.on('direct', ({ offset }) => this.#record({ type: 'delivered', client, kind: 'direct', offset }))
    events.on('recovered', ({ recovered, channels }) => {
      this.#record({ type: 'returned', client, recovered })
      if (!recovered) this.#record({ type: 'missed', client, channels })
    })
    events.on('state', (state) => this.#record({ type: 'state', client, state }))
    events.on('move', ({ from, to }) => this.#record({ type: 'moved', client, from, to }))
    events.on('error', ({ code, message, cause }) => {
      // Each attempt that a fault ends has such an error.
      if (code !== 'connect_failed' || cause !== undefined) this.#fault(`error ${code}: ${message}`)
    })
    events.on('close', ({ code, reason }) => this.#fault(`closed for good: ${code} ${reason}`))
  }

  #record(event: NewEvent): void {
    if (!this.#isStopped) this.#options.history.record(event)
  }

  #fault(text: string): void {
    if (!this.#isStopped) this.#options.history.record({ type: 'server', instance: this.name, what: 'fault', text })
  }
}
