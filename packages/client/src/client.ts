/**
 * The client: the application's side of it, and the thin layer of sockets, timers and promises that carries out what the
 * state machine (core.ts) decides.
 */
import { Core, type Effect, type SavedState } from './core.js'
import { watchEnvironment } from './environment.js'
import { ClientError, type ClientErrorCode } from './errors.js'
import { Emitter, type ClientEvents, type ClientState } from './events.js'
import { endpointOf, Link, type WebSocketConstructor } from './link.js'
import { LOBBY, type ServerMessage } from './messages.js'
import { systemClock, type ClientOptions, type Clock } from './options.js'
import { ChannelSubscription, type MessageHandler, type Subscription } from './subscription.js'

export interface PublishOptions {
  /** Default: `lobby`. Any other must have been subscribed to. */
  readonly channel?: string | undefined
  /** 1–64 characters, unique for this client: what has it twice is taken once. Default: a random one. */
  readonly id?: string | undefined
}

interface Pending {
  readonly promise: Promise<number>
  readonly resolve: (offset: number) => void
  readonly reject: (error: ClientError) => void
}

const SAVE_INTERVAL_MS = 1000

export class Client {
  readonly #endpoint: string
  readonly #options: ClientOptions
  readonly #webSocket: WebSocketConstructor
  readonly #clock: Clock
  readonly #core: Core
  readonly #emitter = new Emitter()
  readonly #links = new Map<number, Link>()
  readonly #pending = new Map<string, Pending>()
  readonly #subscriptions = new Map<string, Set<ChannelSubscription>>()
  readonly #permanent: ReadonlySet<string>
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
    if (!webSocket) throw new TypeError('no WebSocket here: give one as the option webSocket')
    this.#endpoint = endpointOf(url)
    this.#options = options
    this.#webSocket = webSocket
    this.#clock = options.clock ?? systemClock
    this.#idPrefix = Array.from(crypto.getRandomValues(new Uint32Array(3)), (number) => number.toString(36)).join('')
    this.#permanent = new Set(options.channels)
    this.#core = new Core({
      clientId: options.clientId,
      channels: [...this.#permanent].map(checked),
      minDelayMs: options.minDelayMs ?? 1000,
      maxDelayMs: options.maxDelayMs ?? 30_000,
      connectTimeoutMs: options.connectTimeoutMs ?? 10_000,
      maxQueue: options.maxQueue ?? 1000,
      canRenewToken: typeof options.token === 'function',
      random: options.random ?? Math.random,
      newId: () => this.#newId(),
    })
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
    let saved: SavedState | null | undefined
    try {
      // Not in the constructor: whoever made it shall be able to listen and subscribe first.
      saved = await this.#options.store?.load()
    } catch (error) {
      this.#fail('store_failed', error)
    }
    this.#lastSaved = keyOf(saved ?? undefined)
    this.#run((nowMs) => this.#core.start(saved ?? undefined, nowMs))
  }

  async #send(data: unknown, channel?: string, to?: string, id = this.#newId()): Promise<number> {
    const known = this.#pending.get(id)
    if (known) return known.promise
    // The server could not say which one it refuses.
    if (!/^.{1,64}$/s.test(id)) throw new ClientError('bad_message', 'an id is 1–64 characters')
    const json = jsonOf(data)
    let resolve!: Pending['resolve']
    let reject!: Pending['reject']
    const promise = new Promise<number>((onResolve, onReject) => {
      resolve = onResolve
      reject = onReject
    })
    this.#pending.set(id, { promise, resolve, reject })
    this.#run((nowMs) => this.#core.publish({ id, channel, to, data: json }, nowMs))
    return promise
  }

  #unsubscribe(subscription: ChannelSubscription): void {
    const { channel } = subscription
    const others = this.#subscriptions.get(channel)
    if (!others?.delete(subscription) || others.size > 0) return
    this.#subscriptions.delete(channel)
    if (!this.#permanent.has(channel)) this.#run((nowMs) => this.#core.unsubscribe(channel, nowMs))
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
    for (let effects = this.#core.takeEffects(); effects.length > 0; effects = this.#core.takeEffects()) {
      for (const effect of effects) this.#carryOut(effect)
    }
    this.#isRunning = false
    this.#setTimer()
    this.#scheduleSave()
  }

  #carryOut(effect: Effect): void {
    switch (effect.type) {
      case 'connect':
        this.#openLink(effect)
        break
      case 'send':
        this.#links.get(effect.link)?.send(effect.text)
        break
      case 'disconnect':
        this.#links.get(effect.link)?.close(effect.code, effect.isDead)
        this.#links.delete(effect.link)
        break
      case 'acked':
        this.#settle(effect.id)?.resolve(effect.offset)
        break
      case 'rejected':
        this.#settle(effect.id)?.reject(effect.error)
        break
      case 'lost':
        for (const subscription of this.#take(effect.channel)) subscription.end(effect.error)
        this.#emitter.emit('error', effect.error)
        break
      case 'emit':
        if (effect.event === 'message') {
          for (const subscription of this.#subscriptions.get(effect.payload.channel) ?? []) {
            subscription.push(effect.payload)
          }
        }
        if (effect.event === 'close') this.#end()
        this.#emitter.emit(effect.event, effect.payload)
    }
  }

  #settle(id: string): Pending | undefined {
    const pending = this.#pending.get(id)
    this.#pending.delete(id)
    return pending
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

  #openLink({ link: number, handshake }: Extract<Effect, { type: 'connect' }>): void {
    const link = new Link({
      onText: (text) => this.#receive(number, text),
      onEnd: (code, reason) => {
        this.#links.delete(number)
        this.#run((nowMs) => this.#core.ended(number, code, reason, nowMs))
      },
      onFailed: (error) => this.#fail('connect_failed', error),
    })
    this.#links.set(number, link)
    void link.open(this.#endpoint, this.#webSocket, handshake, this.#options.token)
  }

  #receive(number: number, text: unknown): void {
    let message: unknown
    try {
      message = JSON.parse(text as string)
    } catch {
      // Told below.
    }
    if (typeof message !== 'object' || message === null) this.#fail('bad_frame', text)
    else this.#run((nowMs) => this.#core.received(number, message as ServerMessage, nowMs))
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
    Promise.resolve()
      .then(() => store.save(saved))
      .catch((error: unknown) => this.#fail('store_failed', error))
  }
}

const keyOf = (saved: SavedState | undefined): string | undefined => saved && `${saved.cursor} ${saved.session}`

function jsonOf(data: unknown): string {
  let json: unknown
  let cause: unknown
  try {
    json = JSON.stringify(data)
  } catch (error) {
    cause = error
  }
  if (typeof json !== 'string') throw new ClientError('bad_message', 'the data is not JSON', cause)
  return json
}

/** A name that is none would spoil the handshake for all others. */
function checked(channel: string): string {
  if (!/^[\w.:-]{1,64}$/.test(channel)) throw new TypeError('a channel is 1–64 of a-z A-Z 0-9 _ . : -')
  return channel
}

/** Connects a client. */
export const connect = (url: string | URL, options?: ClientOptions): Client => new Client(url, options)
