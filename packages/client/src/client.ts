/**
 * The client: the application's side of it, and the thin layer of sockets, timers and promises that carries out what the
 * state machine (core.ts) decides.
 */
import { Core } from './core.js'
import type { Effect, Handshake } from './effects.js'
import { watchEnvironment } from './environment.js'
import { ClientError, type ClientErrorCode } from './errors.js'
import { Emitter, type ClientEvents, type ClientState } from './events.js'
import { endpointOf, Link, type WebSocketConstructor } from './link.js'
import type { LinkState } from './link-state.js'
import { LOBBY, type ServerMessage } from './messages.js'
import { systemClock, type ClientOptions, type Clock, type SavedState } from './options.js'
import { ChannelSubscription, type MessageHandler, type Subscription } from './subscription.js'

export interface PublishOptions {
  /** Default: `lobby`. Any other must have been subscribed to. */
  readonly channel?: string | undefined
  /** 1–64 characters, unique for this client: what has it twice is taken once. Default: a random one. */
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
  /** What has not been answered yet, by its id. */
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

  /** Begins to connect at once. */
  constructor(url: string | URL, options: ClientOptions = {}) {
    const { webSocket = (globalThis as { WebSocket?: WebSocketConstructor }).WebSocket } = options
    if (!webSocket) throw new TypeError('the option webSocket is missing')
    this.#endpoint = endpointOf(url)
    this.#options = options
    this.#webSocket = webSocket
    this.#clock = options.clock ?? systemClock
    this.#idPrefix = crypto.getRandomValues(new Uint32Array(2)).join('')
    this.#core = new Core(options, () => this.#newId())
    for (const channel of options.channels ?? []) this.#core.subscribe(checked(channel), 0)
    this.#stopWatching = watchEnvironment({
      onWake: () => this.#run((nowMs) => this.#core.woken(nowMs)),
      onHide: () => this.#save(),
    })
    void this.#start()
  }

  /** Whether it is connected. */
  get state(): ClientState {
    return this.#core.state
  }

  /** The client's name; `undefined` until it has one. */
  get clientId(): string | undefined {
    return this.#core.clientId
  }

  /** Calls back with each event of a kind. The answer takes the handler off. */
  on<Event extends keyof ClientEvents>(event: Event, handler: (payload: ClientEvents[Event]) => void): () => void {
    return this.#emitter.on(event, handler)
  }

  /**
   * Says something to everybody in a channel. Resolves with its offset once it is in the server's journal: from then on
   * everybody gets it. Waits while there is no connection, and is sent again after a loss, in order and once.
   *
   * @param data Anything that JSON has.
   * @throws {ClientError} As a rejection: `queue_full`, `closed`, `outcome_unknown`, or why the server refused it.
   */
  publish(data: unknown, { channel = LOBBY, id }: PublishOptions = {}): Promise<number> {
    return this.#send(data, channel, undefined, id)
  }

  /** Says something to one client, wherever it is connected. A client that is away gets it when it resumes. As `publish`. */
  direct(to: string, data: unknown, { id }: Pick<PublishOptions, 'id'> = {}): Promise<number> {
    return this.#send(data, undefined, to, id)
  }

  /**
   * Hears a channel, from what the client has heard last on. If the server refuses that, `error` tells, and a `for await`
   * throws.
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

  /** Leaves, for good. What is not in the journal yet is rejected: await what `publish` answered, if it matters. */
  close(): void {
    this.#run(() => this.#core.close())
  }

  // ——— inside

  async #start(): Promise<void> {
    let saved: SavedState | undefined
    try {
      // Not in the constructor: whoever made it shall be able to listen and subscribe first.
      saved = (await this.#options.store?.load()) ?? undefined
    } catch (error) {
      this.#fail('store_failed', error)
    }
    this.#lastSaved = keyOf(saved)
    this.#run((nowMs) => this.#core.start(saved, nowMs))
  }

  async #send(data: unknown, channel?: string, to?: string, id = this.#newId()): Promise<number> {
    const known = this.#pending.get(id)
    if (known) return known
    // The server could not say which one it refuses.
    if (!/^.{1,64}$/s.test(id)) throw new ClientError('bad_message', `not an id: ${id}`)
    const json = jsonOf(data)
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
    // Those of the options are kept, whoever listens.
    if (this.#options.channels?.includes(channel)) return
    this.#run((nowMs) => this.#core.unsubscribe(channel, nowMs))
  }

  #newId(): string {
    return `${this.#idPrefix}-${(this.#lastId++).toString(36)}`
  }

  #fail(code: ClientErrorCode, cause: unknown): void {
    this.#emitter.emit('error', new ClientError(code, cause instanceof Error ? cause.message : String(cause), cause))
  }

  /** Tells the state machine something and does what it decides. A handler may call in again: that is done in its turn. */
  #run(input: (nowMs: number) => void): void {
    input(this.#clock.now())
    if (this.#isRunning) return
    this.#isRunning = true
    const { effects } = this.#core
    // What is added meanwhile is done, too.
    for (const effect of effects) this.#carryOut(effect)
    effects.length = 0
    this.#isRunning = false
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
        this.#emitter.emit('error', effect[2])
        break
      case 'emit':
        if (effect[1] === 'message') {
          for (const subscription of this.#subscriptions.get(effect[2].channel) ?? []) subscription.push(effect[2])
        }
        if (effect[1] === 'close') this.#end()
        this.#emitter.emit(effect[1], effect[2])
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
    for (const channel of this.#subscriptions.keys()) {
      for (const subscription of this.#take(channel)) subscription.end()
    }
  }

  #openLink(state: LinkState, handshake: Handshake): void {
    const link = new Link({
      onText: (text) => this.#receive(state, text),
      onEnd: (code, reason) => {
        this.#links.delete(state)
        this.#run((nowMs) => this.#core.ended(state, code, reason, nowMs))
      },
      onFailed: (error) => this.#fail('connect_failed', error),
    })
    this.#links.set(state, link)
    void link.open(this.#endpoint, this.#webSocket, handshake, this.#options.token)
  }

  #receive(link: LinkState, text: unknown): void {
    let message: unknown
    try {
      message = JSON.parse(text as string)
    } catch {
      // Told below.
    }
    if (typeof message !== 'object' || message === null) this.#fail('bad_frame', text)
    else this.#run((nowMs) => this.#core.received(link, message as ServerMessage, nowMs))
  }

  #setTimer(): void {
    const { wakeAtMs } = this.#core
    // One that is due earlier stays: each message puts off the next ping, and a timer per message is not for nothing.
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

function jsonOf(data: unknown): string {
  let json: unknown
  let cause: unknown
  try {
    json = JSON.stringify(data)
  } catch (error) {
    cause = error
  }
  if (typeof json !== 'string') throw new ClientError('bad_message', 'not JSON', cause)
  return json
}

/** A name that is none would spoil the handshake for all others. */
function checked(channel: string): string {
  if (!/^[\w.:-]{1,64}$/.test(channel)) throw new TypeError(`not a channel: ${channel}`)
  return channel
}

/** Connects a client. */
export const connect = (url: string | URL, options?: ClientOptions): Client => new Client(url, options)
