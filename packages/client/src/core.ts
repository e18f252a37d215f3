/**
 * The client's state machine: what the application, the network and the clock bring goes in, effects come out. All
 * decisions are made here, and nothing is done: no socket, no timer, and no randomness but what it is given.
 *
 * A link is one connection, from the first attempt to its end. Links have numbers, so what a link says that has been
 * given up is known and ignored; a second link beside the first needs no other shape.
 */
import { Channels } from './channels.js'
import { ClientError, type ClientErrorCode } from './errors.js'
import type { ClientEvents, ClientState } from './events.js'
import type { ErrorMessage, PongMessage, ServerMessage, WelcomeMessage } from './messages.js'
import { Outbox, type Outgoing } from './outbox.js'
import { comeBackAfter, delayMs, type Bounds } from './reconnect.js'

/** What the client keeps to be the same one again. */
export interface SavedState {
  readonly clientId: string
  /** Proves it. A secret. */
  readonly session: string
  /** `EPOCH:OFFSET`: everything up to there has been delivered. */
  readonly cursor: string
}

export interface CoreOptions extends Bounds {
  readonly clientId: string | undefined
  readonly channels: readonly string[]
  readonly connectTimeoutMs: number
  readonly maxQueue: number
  /** Whether another attempt may have another token. */
  readonly canRenewToken: boolean
  readonly newId: () => string
}

/** What a handshake says. */
export interface Handshake {
  readonly clientId: string | undefined
  readonly session: string | undefined
  readonly cursor: string | undefined
  readonly channels: readonly string[]
}

export type Effect =
  | { readonly type: 'connect'; readonly link: number; readonly handshake: Handshake }
  | { readonly type: 'send'; readonly link: number; readonly text: string }
  /** `isDead`: nothing is heard from it, so an answer is not waited for. */
  | { readonly type: 'disconnect'; readonly link: number; readonly code: number; readonly isDead: boolean }
  | { readonly type: 'acked'; readonly id: string; readonly offset: number }
  | { readonly type: 'rejected'; readonly id: string; readonly error: ClientError }
  | { readonly type: 'lost'; readonly channel: string; readonly error: ClientError }
  | EmitEffect

type EmitEffect = {
  [Event in keyof ClientEvents]: { readonly type: 'emit'; readonly event: Event; readonly payload: ClientEvents[Event] }
}[keyof ClientEvents]

/** A connection that lasted so long was a good one: the next attempt is a first one again. */
const STABLE_AFTER_MS = 5000

/** Not in the protocol's table: what the client says to a connection that it takes for dead. */
const CLOSE_DEAD = 4000

export class Core {
  readonly #options: CoreOptions
  readonly #outbox = new Outbox()
  readonly #channels = new Channels((channel) => this.#outbox.needs(channel))
  #effects: Effect[] = []

  #phase: 'waiting' | 'connecting' | 'open' | 'closed' = 'waiting'
  #state: ClientState = 'connecting'
  #link = 0
  #attempt = 0
  #openedAtMs = 0
  #heartbeatMs = 0

  #clientId: string | undefined
  #session: string | undefined
  #node: string | undefined
  /** '' : no cursor yet. */
  #epoch = ''
  #offset = 0

  /** When the next attempt is due; when this one has taken too long. */
  #connectAtMs = Infinity
  #connectByMs = Infinity
  /** When a `ping` is due; until when something must be heard after it. */
  #pingAtMs = Infinity
  #hearByMs = Infinity
  #isPinging = false
  /** Until the catch-up is over, nothing is said again: its acks may be in there. */
  #isCatchingUp = false
  /** The server has asked not to be told anything before. */
  #sayAtMs = 0
  #refusals = 0

  constructor(options: CoreOptions) {
    this.#options = options
    this.#clientId = options.clientId
    for (const channel of options.channels) this.#channels.want(channel, undefined)
  }

  // ——— what is asked of it

  get state(): ClientState {
    return this.#state
  }

  get clientId(): string | undefined {
    return this.#clientId
  }

  /** What to begin with another time; `undefined` before the server has let the client in. */
  get saved(): SavedState | undefined {
    const [clientId, session, cursor] = [this.#clientId, this.#session, this.#cursor]
    if (clientId === undefined || session === undefined || cursor === undefined) return undefined
    return { clientId, session, cursor }
  }

  /** When `tick` wants to be called, by the clock that all the `nowMs` come from. */
  get wakeAtMs(): number {
    const sayAtMs = this.#phase === 'open' && this.#sayAtMs > 0 ? this.#sayAtMs : Infinity
    return Math.min(this.#connectAtMs, this.#connectByMs, this.#pingAtMs, this.#hearByMs, sayAtMs)
  }

  /** What is to be done, in order, since the last time. */
  takeEffects(): Effect[] {
    const effects = this.#effects
    this.#effects = []
    return effects
  }

  // ——— what the application wants

  /** Begins. A state of another client is of no use. */
  start(saved: SavedState | undefined, nowMs: number): void {
    if (this.#phase === 'closed') return
    if (saved && (this.#clientId === undefined || this.#clientId === saved.clientId)) {
      this.#clientId = saved.clientId
      this.#session = saved.session
      this.#setCursor(saved.cursor)
    }
    this.#connect(nowMs)
  }

  publish(outgoing: Outgoing, nowMs: number): void {
    if (this.#phase === 'closed') this.#reject(outgoing.id, 'closed', 'the client is closed')
    else if (this.#outbox.size >= this.#options.maxQueue) {
      this.#reject(outgoing.id, 'queue_full', `${this.#outbox.size} messages are waiting already`)
    } else {
      this.#outbox.add(outgoing)
      this.#say(nowMs)
    }
  }

  subscribe(channel: string, nowMs: number): void {
    // Before the first handshake it can still be named there, and gets what the client missed like all others.
    this.#channels.want(channel, this.#link > 0 && this.#epoch !== '' ? this.#offset : undefined)
    this.#say(nowMs)
  }

  unsubscribe(channel: string, nowMs: number): void {
    this.#channels.unwant(channel)
    this.#say(nowMs)
  }

  close(): void {
    if (this.#phase === 'closed') return
    this.#disconnect(1000, false)
    this.#finish(1000, '')
  }

  // ——— what the clock and the network bring

  tick(nowMs: number): void {
    if (nowMs >= this.#connectAtMs) this.#connect(nowMs)
    if (nowMs >= this.#connectByMs || nowMs >= this.#hearByMs) {
      this.#disconnect(CLOSE_DEAD, true)
      this.#ended(1006, nowMs)
    }
    if (nowMs >= this.#pingAtMs) this.#ping(nowMs, this.#heartbeatMs)
    if (this.#sayAtMs > 0 && nowMs >= this.#sayAtMs) this.#say(nowMs)
  }

  /** The network is back, or the page is looked at again: it is a good moment to try, and to doubt an old connection. */
  woken(nowMs: number): void {
    if (this.#connectAtMs < Infinity) this.#connect(nowMs)
    else if (this.#phase === 'open' && !this.#isPinging) {
      this.#ping(nowMs, Math.min(this.#heartbeatMs, this.#options.connectTimeoutMs))
    }
  }

  /** A link has ended, or has not come about. */
  ended(link: number, code: number, reason: string, nowMs: number): void {
    if (link !== this.#link || this.#phase === 'waiting' || this.#phase === 'closed') return
    const comeBack = comeBackAfter(code)
    // A fresh token that is not taken won't be taken the next time; one that has expired is another matter.
    const isOver =
      comeBack === 'no' || (comeBack === 'new-token' && !(this.#options.canRenewToken && this.#phase === 'open'))
    if (isOver) this.#finish(code, reason)
    else this.#ended(code, nowMs)
  }

  received(link: number, message: ServerMessage, nowMs: number): void {
    if (link !== this.#link) return
    if (this.#phase === 'connecting' && message.type === 'welcome') this.#welcomed(message, nowMs)
    if (this.#phase !== 'open') return
    if (this.#isPinging) this.#hearByMs = nowMs + this.#heartbeatMs
    this.#take(message, nowMs)
    // Other frames don't count: the cursor of a client whom nothing concerns has to move too.
    if ('offset' in message && !this.#isPinging) this.#pingAtMs = nowMs + this.#heartbeatMs
    this.#say(nowMs)
  }

  #take(message: ServerMessage, nowMs: number): void {
    switch (message.type) {
      case 'message':
      case 'presence':
        if (this.#isNew(message.offset, message.channel) && this.#channels.hears(message.channel)) this.#pass(message)
        break
      case 'direct':
        if (this.#isNew(message.offset)) this.#pass(message)
        break
      case 'ack':
        this.#isNew(message.offset)
        if (message.id === undefined || !this.#outbox.acked(message.id)) break
        this.#refusals = 0
        this.#effects.push({ type: 'acked', id: message.id, offset: message.offset })
        break
      case 'pong':
        this.#ponged(message)
        break
      case 'subscribed':
      case 'unsubscribed':
        this.#channels.answered(message)
        if (message.recovered === false) this.#emit('recovered', { recovered: false, channels: message.channels })
        break
      case 'error':
        this.#refused(message, nowMs)
        break
      case 'periodic':
      case 'shutdown':
      case 'shutdownCancelled':
        this.#pass(message)
        break
      case 'welcome':
        break
    }
  }

  // ——— links

  #connect(nowMs: number): void {
    this.#phase = 'connecting'
    this.#connectAtMs = Infinity
    this.#connectByMs = nowMs + this.#options.connectTimeoutMs
    const handshake = {
      clientId: this.#clientId,
      session: this.#session,
      cursor: this.#cursor,
      channels: this.#channels.established,
    }
    this.#effects.push({ type: 'connect', link: ++this.#link, handshake })
  }

  #disconnect(code: number, isDead: boolean): void {
    if (this.#phase === 'waiting') return
    this.#effects.push({ type: 'disconnect', link: this.#link, code, isDead })
  }

  #ended(code: number, nowMs: number): void {
    if (this.#phase === 'open' && nowMs - this.#openedAtMs >= STABLE_AFTER_MS) this.#attempt = 0
    this.#unlink()
    this.#phase = 'waiting'
    const isLater = comeBackAfter(code) === 'later'
    this.#connectAtMs = nowMs + delayMs(this.#attempt++, isLater, this.#options)
    if (this.#node !== undefined) this.#setState('reconnecting')
  }

  #finish(code: number, reason: string): void {
    this.#unlink()
    this.#phase = 'closed'
    for (const { id, isInDoubt } of this.#outbox.drop(false)) {
      if (isInDoubt) this.#rejectUnknown(id)
      else this.#reject(id, 'closed', 'the client is closed')
    }
    this.#setState('closed')
    this.#emit('close', { code, reason })
  }

  #unlink(): void {
    this.#connectAtMs = this.#connectByMs = this.#pingAtMs = this.#hearByMs = Infinity
    this.#isPinging = this.#isCatchingUp = false
    this.#sayAtMs = 0
    this.#outbox.cut()
    this.#channels.cut()
  }

  #welcomed(welcome: WelcomeMessage, nowMs: number): void {
    const { clientId, session, node, recovered } = welcome
    const hadCursor = this.#epoch !== ''
    this.#phase = 'open'
    this.#openedAtMs = nowMs
    this.#connectByMs = Infinity
    this.#heartbeatMs = Math.max(1, welcome.heartbeatSeconds) * 1000
    this.#pingAtMs = nowMs + this.#heartbeatMs
    this.#clientId = clientId
    this.#session = session
    if (recovered !== true) this.#setCursor(welcome.cursor)
    this.#channels.welcomed(welcome.channels, this.#offset, recovered === true)

    const from = this.#node
    this.#node = node
    this.#setState('open')
    if (hadCursor) this.#emit('recovered', { recovered: recovered === true, channels: welcome.channels })
    if (from !== undefined && from !== node) this.#emit('move', { from, to: node })
    if (recovered !== true) for (const { id } of this.#outbox.drop(true)) this.#rejectUnknown(id)
    if (!this.#outbox.hasInDoubt) return
    this.#isCatchingUp = true
    this.#ping(nowMs, this.#heartbeatMs)
  }

  /** The answer follows everything that was there to say when the server read this. */
  #ping(nowMs: number, patienceMs: number): void {
    this.#isPinging = true
    this.#pingAtMs = Infinity
    this.#hearByMs = nowMs + patienceMs
    this.#send({ type: 'ping' })
  }

  #ponged({ offset }: PongMessage): void {
    this.#isPinging = this.#isCatchingUp = false
    this.#hearByMs = Infinity
    this.#isNew(offset)
  }

  // ——— what is heard

  get #cursor(): string | undefined {
    return this.#epoch === '' ? undefined : `${this.#epoch}:${this.#offset}`
  }

  #setCursor(cursor: string): void {
    const colon = cursor.lastIndexOf(':')
    this.#epoch = cursor.slice(0, colon)
    this.#offset = Number(cursor.slice(colon + 1))
  }

  /** Whether this has not been heard before; the cursor moves with it. */
  #isNew(offset: number, channel?: string): boolean {
    const isAhead = offset > this.#offset
    const isNew = (channel === undefined ? undefined : this.#channels.advance(channel, offset)) ?? isAhead
    if (isAhead) this.#offset = offset
    return isNew
  }

  // ——— what is said

  /** Says what may be said now. */
  #say(nowMs: number): void {
    if (this.#phase !== 'open' || nowMs < this.#sayAtMs) return
    this.#sayAtMs = 0
    const requests = this.#channels.requests(this.#options.newId)
    for (const { type, id, channels, position } of requests) {
      this.#send({ type, id, channels, since: position === undefined ? undefined : `${this.#epoch}:${position}` })
    }
    if (this.#isCatchingUp) return
    for (const text of this.#outbox.take((channel) => this.#channels.isReady(channel))) this.#sendText(text)
  }

  #refused({ code, message, temporary, id = '', retryInMs }: ErrorMessage, nowMs: number): void {
    const isSaid = this.#outbox.has(id)
    if (!isSaid && !this.#channels.has(id)) {
      // A `ping` that came too late is nobody's concern.
      if (!temporary) this.#emit('error', new ClientError(code, message))
    } else if (temporary) {
      // A journal that failed may have taken it all the same.
      if (isSaid) this.#outbox.postponed(id, code !== 'journal_unavailable' && code !== 'internal')
      else this.#channels.postponed(id)
      // One refusal brings others: what was to come after it.
      if (code === 'shutting_down') this.#sayAtMs = Infinity
      else if (code !== 'out_of_order' && this.#sayAtMs <= nowMs) {
        this.#sayAtMs = nowMs + (retryInMs ?? delayMs(this.#refusals++, false, this.#options))
      }
    } else if (isSaid) {
      this.#outbox.refused(id)
      this.#reject(id, code, message)
    } else {
      const channel = this.#channels.refused(id)
      if (channel !== undefined) this.#effects.push({ type: 'lost', channel, error: new ClientError(code, message) })
    }
  }

  // ——— effects

  #send(message: object): void {
    this.#sendText(JSON.stringify(message))
  }

  #sendText(text: string): void {
    this.#effects.push({ type: 'send', link: this.#link, text })
  }

  #emit<Event extends keyof ClientEvents>(event: Event, payload: ClientEvents[Event]): void {
    this.#effects.push({ type: 'emit', event, payload } as EmitEffect)
  }

  /** What the server says is told as it is. */
  #pass(message: Extract<ServerMessage, { type: keyof ClientEvents }>): void {
    this.#effects.push({ type: 'emit', event: message.type, payload: message } as EmitEffect)
  }

  #setState(state: ClientState): void {
    if (state === this.#state) return
    this.#state = state
    this.#emit('state', state)
  }

  #reject(id: string, code: ClientErrorCode, message: string): void {
    this.#effects.push({ type: 'rejected', id, error: new ClientError(code, message) })
  }

  #rejectUnknown(id: string): void {
    this.#reject(id, 'outcome_unknown', 'the connection was lost before the answer, which can no longer be had')
  }
}
