/**
 * The public class of the client, and the thin layer of sockets, timers and promises that carries out the decisions of the
 * state machine (core.ts).
 */
import { systemClock, type Clock } from './clock.js'
import { Core } from './core.js'
import { encodeData } from './data.js'
import type { Effect, Handshake } from './effects.js'
import { watchEnvironment } from './environment.js'
import { ClientError, type ClientErrorCode } from './errors.js'
import { Emitter, type ClientEvents, type ClientState, type EventHandler } from './events.js'
import { readFrame } from './frames.js'
import { endpointOf, Link, type LinkEnd, type WebSocketConstructor } from './link.js'
import type { LinkState } from './link-state.js'
import { LOBBY, type ServerMessage } from './messages.js'
import type { ClientOptions, SavedState } from './options.js'
import { systemRandom } from './randomness.js'
import { ChannelSubscription, type MessageHandler, type Subscription } from './subscription.js'

export interface PublishOptions {
  /** Default: `lobby`. The client must have subscribed to any other channel. */
  readonly channel?: string | undefined
  /**
   * 1–64 characters, unique for this client: the idempotency key. The server treats a second message with the same id as a
   * retry. Default: random.
   */
  readonly id?: string | undefined
}

const SAVE_INTERVAL_MS = 1000

export class Client {
  readonly #endpoint: string
  readonly #options: ClientOptions
  readonly #webSocket: WebSocketConstructor
  readonly #clock: Clock
  readonly #core: Core
  readonly #emitter = new Emitter()
  readonly #links = new Map<LinkState, Link>()
  /** The pending promises of messages, by their ids. */
  readonly #pending = new Map<string, Promise<number>>()
  readonly #subscriptions = new Map<string, Set<ChannelSubscription>>()
  readonly #stopWatching: () => void
  readonly #idPrefix: string
  #lastId = 0
  #isRunning = false
  #timer: (() => void) | undefined
  #timerAtMs = Infinity
  #saveTimer: (() => void) | undefined
  #lastSaved: string | undefined

  /**
   * Starts to connect at once.
   *
   * @throws {TypeError} The environment has no WebSocket, the URL is not valid, or `channels` contains an invalid name.
   */
  constructor(url: string | URL, options: ClientOptions = {}) {
    const { webSocket = (globalThis as { WebSocket?: WebSocketConstructor }).WebSocket } = options
    if (!webSocket) throw new TypeError('the option webSocket is missing')
    this.#endpoint = endpointOf(url)
    this.#options = options
    this.#webSocket = webSocket
    this.#clock = options.clock ?? systemClock
    this.#idPrefix = (options.random ?? systemRandom)().toString(36)
    this.#core = new Core(options, () => this.#newId())
    for (const channel of options.channels ?? []) this.#core.subscribe(checked(channel), 0)
    this.#stopWatching = watchEnvironment({
      onWake: () => this.#run((nowMs) => this.#core.woken(nowMs)),
      onHide: () => this.#save(),
    })
    void this.#start()
  }

  /** The state of the client. */
  get state(): ClientState {
    return this.#core.state
  }

  /** The clientId; `undefined` until the server has chosen one. */
  get clientId(): string | undefined {
    return this.#core.clientId
  }

  /** Calls the handler with each event of this name. @returns Removes the handler. */
  on<Event extends keyof ClientEvents>(event: Event, handler: EventHandler<Event>): () => void {
    return this.#emitter.on(event, handler)
  }

  /**
   * Publishes to a channel. Resolves with the message's offset once the server's journal has it: from then on every
   * subscriber of the channel gets it. While the client has no connection, the message waits. After a lost connection the
   * client sends it again, in order, and the journal contains it once.
   *
   * @param data Any JSON value. The option `stringify` encodes others.
   * @throws {ClientError} As a rejection: `queue_full`, `closed`, `outcome_unknown`, or why the server refused it.
   */
  publish(data: unknown, { channel = LOBBY, id }: PublishOptions = {}): Promise<number> {
    return this.#send(data, channel, undefined, id)
  }

  /** Sends to one client, on any instance. A client that is away gets the message when it resumes. Otherwise as `publish`. */
  direct(to: string, data: unknown, { id }: Pick<PublishOptions, 'id'> = {}): Promise<number> {
    return this.#send(data, undefined, to, id)
  }

  /**
   * Subscribes to a channel, from the client's present position on. If the server refuses it, there is an event `error`,
   * and a `for await` throws.
   *
   * @throws {TypeError} A channel's name is 1–64 of `a-z A-Z 0-9 _ . : -`.
   */
  subscribe(channel: string, handler?: MessageHandler): Subscription {
    const { maxBuffer = 1000 } = this.#options
    const subscription = new ChannelSubscription(checked(channel), {
      handler,
      maxBuffer,
      onUnsubscribe: (ended) => this.#unsubscribe(ended),
    })
    const others = this.#subscriptions.get(channel)
    if (this.state === 'closed') subscription.end()
    else if (others) others.add(subscription)
    else {
      this.#subscriptions.set(channel, new Set([subscription]))
      this.#run((nowMs) => this.#core.subscribe(channel, nowMs))
    }
    return subscription
  }

  /**
   * Connects at once instead of waiting for the next attempt, for a person who does not want to wait. While the client is
   * connected it checks the connection instead.
   */
  reconnectNow(): void {
    this.#run((nowMs) => this.#core.woken(nowMs))
  }

  /** Closes the client for good. The promises of messages without an ack reject with `closed`: await them before you close. */
  close(): void {
    this.#run(() => this.#core.close())
  }

  // ——— internals

  async #start(): Promise<void> {
    let saved: SavedState | undefined
    try {
      // Runs after the constructor, so that the application can add handlers and subscribe first.
      const loaded = (await this.#options.store?.load()) ?? undefined
      if (loaded && !isSavedState(loaded)) throw new TypeError('the store does not contain the state of a client')
      saved = loaded
    } catch (error) {
      this.#fail('store_failed', error)
    }
    this.#lastSaved = keyOf(saved)
    this.#run((nowMs) => this.#core.start(saved, nowMs))
  }

  async #send(data: unknown, channel?: string, to?: string, id = this.#newId()): Promise<number> {
    const known = this.#pending.get(id)
    if (known) return known
    // An `error` of the server could not name a message with such an id.
    if (!/^.{1,64}$/s.test(id)) throw new ClientError('bad_message', `an id must have 1 to 64 characters: ${id}`)
    const json = encodeData(data, this.#options.stringify)
    const promise = new Promise<number>((resolve, reject) => {
      this.#run((nowMs) => this.#core.publish({ id, channel, to, data: json, resolve, reject }, nowMs))
    })
    this.#pending.set(id, promise)
    const forget = (): void => void this.#pending.delete(id)
    promise.then(forget, forget)
    return promise
  }

  #unsubscribe(subscription: ChannelSubscription): void {
    const { channel } = subscription
    const others = this.#subscriptions.get(channel)
    if (!others?.delete(subscription) || others.size > 0) return
    this.#subscriptions.delete(channel)
    // Channels of the options stay subscribed without a Subscription object.
    if (this.#options.channels?.includes(channel)) return
    this.#run((nowMs) => this.#core.unsubscribe(channel, nowMs))
  }

  #newId(): string {
    return `${this.#idPrefix}-${(this.#lastId++).toString(36)}`
  }

  #fail(code: ClientErrorCode, cause: unknown): void {
    this.#emitter.emit(
      'error',
      new ClientError(code, cause instanceof Error ? cause.message : String(cause), cause),
      undefined,
    )
  }

  /** Passes an input to the state machine and carries out its effects. A handler may call the client again; that call is queued. */
  #run(input: (nowMs: number) => void): void {
    input(this.#clock.now())
    if (this.#isRunning) return
    this.#isRunning = true
    const { queue } = this.#core.effects
    try {
      // The loop includes effects that are added meanwhile.
      for (let effect = queue.shift(); effect; effect = queue.shift()) this.#carryOut(effect)
    } finally {
      this.#isRunning = false
    }
    this.#setTimer()
    this.#scheduleSave()
  }

  #carryOut(effect: Effect): void {
    switch (effect[0]) {
      case 'connect':
        this.#openLink(effect[1], effect[2])
        break
      case 'send':
        this.#links.get(effect[1])?.send(effect[2])
        break
      case 'disconnect':
        this.#links.get(effect[1])?.close(effect[2], effect[3])
        this.#links.delete(effect[1])
        break
      case 'lost':
        for (const subscription of this.#take(effect[1])) subscription.end(effect[2])
        this.#emitter.emit('error', effect[2], undefined)
        break
      case 'emit':
        if (effect[1] === 'message') {
          for (const subscription of this.#subscriptions.get(effect[2].channel) ?? []) subscription.push(effect[2])
        }
        if (effect[1] === 'close') this.#end()
        this.#emitter.emit(effect[1], effect[2], effect[3])
    }
  }

  #take(channel: string): Iterable<ChannelSubscription> {
    const subscriptions = this.#subscriptions.get(channel) ?? []
    this.#subscriptions.delete(channel)
    return subscriptions
  }

  #end(): void {
    this.#stopWatching()
    this.#save()
    this.#options.store?.release?.()
    for (const channel of this.#subscriptions.keys()) {
      for (const subscription of this.#take(channel)) subscription.end()
    }
  }

  #openLink(state: LinkState, handshake: Handshake): void {
    const listener = {
      onFrame: (frame: unknown) => this.#receive(state, frame),
      onEnd: (end: LinkEnd) => {
        this.#links.delete(state)
        this.#run((nowMs) => this.#core.ended(state, end, nowMs))
      },
    }
    const link = new Link(listener, this.#clock)
    this.#links.set(state, link)
    void link.open(this.#endpoint, this.#webSocket, handshake, this.#options.token)
  }

  #receive(link: LinkState, frame: unknown): void {
    let message: ServerMessage | undefined
    try {
      message = readFrame(frame, this.#options.parse)
    } catch (error) {
      this.#fail('bad_frame', error)
      this.#run((nowMs) => this.#core.misunderstood(link, nowMs))
    }
    if (message) {
      const known = message
      this.#run((nowMs) => this.#core.received(link, known, nowMs))
    }
  }

  #setTimer(): void {
    const { wakeAtMs } = this.#core
    // A timer that is due earlier stays: each message postpones the next ping, and a new timer per message would cost time.
    if (wakeAtMs >= this.#timerAtMs && wakeAtMs < Infinity) return
    this.#timer?.()
    this.#timerAtMs = wakeAtMs
    if (wakeAtMs === Infinity) return
    this.#timer = this.#clock.after(Math.max(0, wakeAtMs - this.#clock.now()), () => {
      this.#timerAtMs = Infinity
      this.#run((nowMs) => this.#core.tick(nowMs))
    })
  }

  #scheduleSave(): void {
    if (!this.#options.store || this.#saveTimer || this.state === 'closed') return
    if (keyOf(this.#core.saved) === this.#lastSaved) return
    this.#saveTimer = this.#clock.after(this.#lastSaved === undefined ? 0 : SAVE_INTERVAL_MS, () => this.#save())
  }

  #save(): void {
    this.#saveTimer?.()
    this.#saveTimer = undefined
    const { store } = this.#options
    const { saved } = this.#core
    if (!store || !saved || keyOf(saved) === this.#lastSaved) return
    this.#lastSaved = keyOf(saved)
    const save = async (): Promise<void> => store.save(saved)
    save().catch((error: unknown) => this.#fail('store_failed', error))
  }
}

const keyOf = (saved: SavedState | undefined): string | undefined => JSON.stringify(saved)

function isSavedState(value: unknown): value is SavedState {
  const { clientId, session, cursor } = value as Partial<Record<keyof SavedState, unknown>>
  return [clientId, session, cursor].every((part) => typeof part === 'string')
}

/** The server would reject the handshake because of one invalid name, and with it all other channels. */
function checked(channel: string): string {
  if (!/^[\w.:-]{1,64}$/.test(channel)) throw new TypeError(`not a channel: ${channel}`)
  return channel
}

/** Connects a client. */
export const connect = (url: string | URL, options?: ClientOptions): Client => new Client(url, options)
