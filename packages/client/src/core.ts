/**
 * The client's state machine: what the application, the network and the clock bring goes in, effects come out. All
 * decisions are made here, and nothing is done: no socket, no timer, and no randomness but what it is given.
 *
 * There is one link on which everything is said, and while the client moves a second one, the newcomer. Both are heard:
 * each tells everything after the cursor with which it began, in order, and both are in the same channels. So what is
 * not above the highest offset has been heard already, from either. (ADR 8)
 */
import { Channels } from './channels.js'
import type { Effect, EmitEffect, Handshake } from './effects.js'
import { ClientError } from './errors.js'
import type { ClientEvents, ClientState } from './events.js'
import { LinkState, offsetOf } from './link-state.js'
import type { ErrorMessage, ServerMessage, WelcomeMessage } from './messages.js'
import type { ClientOptions, SavedState } from './options.js'
import { Outbox, type Outgoing } from './outbox.js'
import { comeBackAfter, delayMs, type Bounds, type ComeBack } from './reconnect.js'

/** What of the options of the client concerns it. */
export type CoreOptions = Pick<ClientOptions, 'clientId' | 'token' | 'connectTimeoutMs' | 'maxQueue'> & Bounds

/** For so long a newcomer waits for the answers to what was said on the link that it replaces. */
const SETTLE_MS = 1000

/** Not in the protocol's table: what the client says to a connection that it takes for dead. */
const CLOSE_DEAD = 4000
const CLOSE_NORMAL = 1000
/** The server let in another connection of this client, on the same instance. */
const TAKEN_OVER = 4001
/** For so long the handshake of an attempt that has come to nothing may still reach the server: a proxy had kept it. */
const STRAY_MS = 30_000

export class Core {
  /** What is to be done, in order. Who does it takes it away. */
  readonly effects: Effect[] = []
  readonly #options: CoreOptions
  readonly #connectTimeoutMs: number
  readonly #newId: () => string
  readonly #outbox = new Outbox()
  readonly #channels = new Channels((channel) => this.#outbox.needs(channel))

  #state: ClientState = 'connecting'
  /** What is said is said on the first one; if there is none, the next attempt is due. A second one is the newcomer. */
  #links: LinkState[] = []
  #connectAtMs = Infinity
  #attempt = 0
  #refusals = 0
  /** Until then an attempt that has come to nothing may get to the server after all; `Infinity`: none has, that is known. */
  #strayUntilMs = Infinity

  #clientId: string | undefined
  #session: string | undefined
  #node: string | undefined
  /** '' : no cursor yet. */
  #epoch = ''
  #offset = 0

  /** @param newId Makes ids for what it asks of the server. */
  constructor(options: CoreOptions, newId: () => string) {
    this.#options = options
    this.#connectTimeoutMs = options.connectTimeoutMs ?? 10_000
    this.#newId = newId
    this.#clientId = options.clientId
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
    return this.#session === undefined ? undefined : (this.#self as SavedState)
  }

  /** When `tick` wants to be called, by the clock that all the `nowMs` come from. */
  get wakeAtMs(): number {
    return Math.min(this.#connectAtMs, ...this.#links.map(({ wakeAtMs }) => wakeAtMs))
  }

  // ——— what the application wants

  /** Begins. A state of another client is of no use. */
  start(saved: SavedState | undefined, nowMs: number): void {
    if (this.#isClosed) return
    if (saved && (this.#clientId ?? saved.clientId) === saved.clientId) {
      this.#clientId = saved.clientId
      this.#session = saved.session
      this.#setCursor(saved.cursor)
    }
    this.#connect(nowMs)
  }

  publish(outgoing: Outgoing, nowMs: number): void {
    const { size } = this.#outbox
    if (size < (this.#options.maxQueue ?? 1000)) {
      this.#outbox.add(outgoing)
      if (this.#isClosed) this.#outbox.drop(false)
      else this.#say(nowMs)
    } else outgoing.reject(new ClientError('queue_full', `${size} messages are waiting already`))
  }

  subscribe(channel: string, nowMs: number): void {
    // Before the first handshake it can still be named there, and gets what the client missed like all others.
    this.#channels.want(channel, this.#epoch !== '' ? this.#offset : undefined)
    this.#rechannel(nowMs)
  }

  unsubscribe(channel: string, nowMs: number): void {
    this.#channels.unwant(channel)
    this.#rechannel(nowMs)
  }

  close(): void {
    if (!this.#isClosed) this.#finish(CLOSE_NORMAL, '')
  }

  // ——— what the clock and the network bring

  tick(nowMs: number): void {
    if (nowMs >= this.#connectAtMs) this.#connect(nowMs)
    for (const link of [...this.#links]) {
      if (nowMs >= link.byMs && link.isCaughtUp) this.#adopt(link, nowMs)
      else if (link.isOverdue(nowMs)) this.#drop(link, CLOSE_DEAD, nowMs)
      else if (link.isSilent(nowMs)) this.#ping(link, nowMs)
    }
    const [link] = this.#links
    if (link?.slot.isDue(nowMs, this.#options)) {
      // An answer that is under way would be lost, and what a channel's past has brought so far with it.
      if (this.#channels.isAsking) link.slot.again(nowMs, this.#options)
      else this.#open(link.welcome?.build, nowMs)
    }
    this.#say(nowMs)
  }

  /** The network is back, or the page is looked at again: it is a good moment to try, and to doubt an old connection. */
  woken(nowMs: number): void {
    const [link] = this.#links
    if (this.#connectAtMs < Infinity) this.#connect(nowMs)
    else if (link?.welcome) this.#ping(link, nowMs, this.#connectTimeoutMs)
  }

  /** A link has ended, or has not come about. */
  ended(link: LinkState, code: number, reason: string, nowMs: number): void {
    if (!this.#links.includes(link)) return
    const comeBack = comeBackAfter(code)
    // A fresh token that is not taken won't be taken the next time; one that has expired is another matter.
    const canRenew = typeof this.#options.token === 'function' && link.welcome
    // It was its own attempt that took over: the newcomer, or one that has come to nothing.
    const isHandOver = code === TAKEN_OVER && (this.#newcomer || this.#strayUntilMs < Infinity)
    if (isHandOver) this.#strayUntilMs = Infinity
    const isOver = comeBack === 'no' ? !isHandOver : comeBack === 'new-token' && !canRenew
    if (isOver && link === this.#links[0]) {
      this.#links.shift()
      this.#finish(code, reason)
      return
    }
    this.#lost(link, comeBack, nowMs)
    this.#say(nowMs)
  }

  received(link: LinkState, message: ServerMessage, nowMs: number): void {
    if (!this.#links.includes(link)) return
    if (message.type === 'welcome') {
      if (!link.welcome) this.#welcomed(link, message, nowMs)
    } else if (link.welcome) {
      link.heard(message, nowMs)
      if (link === this.#links[0] || 'offset' in message) this.#take(link, message, nowMs)
      // It would have to be left at once.
      else if (message.type === 'shutdown') this.#drop(link, CLOSE_NORMAL, nowMs)
    }
    this.#say(nowMs)
  }

  #take(link: LinkState, message: Exclude<ServerMessage, WelcomeMessage>, nowMs: number): void {
    switch (message.type) {
      case 'message':
      case 'presence':
      case 'direct': {
        const channel = 'channel' in message ? message.channel : undefined
        if (this.#isNew(message.offset, channel) && this.#channels.hears(channel)) this.#pass(message)
        break
      }
      case 'ack':
        this.#isNew(message.offset)
        if (message.id !== undefined && this.#outbox.acked(message.id, message.offset)) this.#refusals = 0
        break
      case 'pong':
        this.#isNew(message.offset)
        if (link.pingedAtMs >= this.#strayUntilMs) this.#strayUntilMs = Infinity
        break
      case 'subscribed':
      case 'unsubscribed':
        this.#channels.answered(this.#channels.channelOf(message.id), message.type === 'subscribed')
        if (message.recovered === false) this.#emit('recovered', { recovered: false, channels: message.channels })
        break
      case 'error':
        this.#refused(link, message, nowMs)
        break
      case 'shutdown':
        if (!this.#newcomer) link.slot.given(message, nowMs)
        this.#pass(message)
        break
      case 'shutdownCancelled':
        if (this.#newcomer) this.#drop(this.#newcomer, CLOSE_NORMAL, nowMs)
        link.slot.cancelled()
        this.#pass(message)
        break
      case 'periodic':
        this.#pass(message)
        break
    }
  }

  // ——— links

  /** Is to take the place of the other one. */
  get #newcomer(): LinkState | undefined {
    return this.#links[1]
  }

  #open(avoid: string | undefined, nowMs: number): void {
    const link = new LinkState(nowMs + this.#connectTimeoutMs, this.#offset)
    this.#links.push(link)
    this.effects.push(['connect', link, { ...this.#self, channels: this.#channels.established, avoid }])
  }

  #connect(nowMs: number): void {
    this.#connectAtMs = Infinity
    this.#open(undefined, nowMs)
  }

  #welcomed(link: LinkState, welcome: WelcomeMessage, nowMs: number): void {
    const from = link.offset
    link.welcomed(welcome, nowMs)
    const { channels, cursor } = welcome
    const recovered = welcome.recovered === true
    if (link === this.#newcomer) {
      if (recovered && this.#channels.areIn(channels)) this.#catchUp(link, nowMs)
      else this.#drop(link, CLOSE_NORMAL, nowMs)
      return
    }
    const hadCursor = this.#epoch !== ''
    if (!recovered) this.#setCursor(cursor, from)
    this.#channels.welcomed(channels, this.#offset, recovered)
    const wasAway = this.#state !== 'open'
    this.#setState('open')
    if (hadCursor && (wasAway || !recovered)) this.#emit('recovered', { recovered, channels })
    if (!recovered) this.#outbox.drop(true)
    this.#adopt(link, nowMs)
  }

  /** From now on it is the one on which everything is said. One that was before it is left. */
  #adopt(link: LinkState, nowMs: number): void {
    const { welcome } = link
    if (!welcome) return
    if (link === this.#newcomer) this.#disconnect(this.#links.shift(), CLOSE_NORMAL)
    link.byMs = Infinity
    this.#clientId = welcome.clientId
    this.#session = welcome.session
    const from = this.#node
    const to = welcome.node
    this.#node = to
    if (from !== undefined && from !== to) this.#emit('move', { from, to })
    this.#outbox.cut()
    if (this.#outbox.hasInDoubt) this.#catchUp(link, nowMs)
  }

  #catchUp(link: LinkState, nowMs: number): void {
    link.isCaughtUp = false
    this.#ping(link, nowMs)
  }

  /** The answer follows everything that was there to say when the server read this. */
  #ping(link: LinkState, nowMs: number, patienceMs?: number): void {
    if (link.ping(nowMs, patienceMs)) this.#send(link, { type: 'ping' })
  }

  #disconnect(link: LinkState | undefined, code: number): void {
    if (link) this.effects.push(['disconnect', link, code, code === CLOSE_DEAD])
  }

  #drop(link: LinkState, code: number, nowMs: number): void {
    this.#disconnect(link, code)
    this.#lost(link, 'yes', nowMs)
  }

  /** What is left of the links goes on: the older one, or the newcomer, as far as it has come. */
  #lost(lost: LinkState, comeBack: ComeBack, nowMs: number): void {
    const wasFirst = lost === this.#links[0]
    if (!lost.welcome || !wasFirst) this.#strayUntilMs = nowMs + STRAY_MS
    this.#links = this.#links.filter((link) => link !== lost)
    const [link] = this.#links
    if (link && !wasFirst) link.slot.again(nowMs, this.#options)
    else if (link?.welcome) this.#adopt(link, nowMs)
    else {
      this.#channels.cut()
      if (!link) {
        if (lost.isStable(nowMs)) this.#attempt = 0
        this.#connectAtMs = nowMs + delayMs(this.#attempt++, comeBack === 'later', this.#options)
      }
      // A newcomer that has taken over is in, and will hear of it in a moment.
      if (this.#node !== undefined && !(link && comeBack === 'no')) this.#setState('reconnecting')
    }
  }

  #finish(code: number, reason: string): void {
    for (const link of this.#links) this.#disconnect(link, CLOSE_NORMAL)
    this.#links = []
    this.#connectAtMs = Infinity
    this.#outbox.drop(false)
    this.#setState('closed')
    this.#emit('close', { code, reason })
  }

  /** Other channels are wanted. A newcomer that has not been let in yet would only keep them waiting. */
  #rechannel(nowMs: number): void {
    if (this.#newcomer && !this.#newcomer.welcome) this.#drop(this.#newcomer, CLOSE_NORMAL, nowMs)
    this.#say(nowMs)
  }

  // ——— what is heard

  /** Who the client is and how far it has got, as far as it knows. */
  get #self(): Pick<Handshake, keyof SavedState> {
    const cursor = this.#epoch === '' ? undefined : `${this.#epoch}:${this.#offset}`
    return { clientId: this.#clientId, session: this.#session, cursor }
  }

  /** @param from Where the link set out that begins with this: what another one has told since then stays heard. */
  #setCursor(cursor: string, from = Infinity): void {
    const epoch = cursor.slice(0, cursor.lastIndexOf(':'))
    const offset = offsetOf(cursor)
    this.#offset = epoch === this.#epoch && offset >= from ? Math.max(this.#offset, offset) : offset
    this.#epoch = epoch
  }

  /** Whether this has not been heard before; the cursor moves with it. */
  #isNew(offset: number, channel?: string): boolean {
    const isAhead = offset > this.#offset
    const isNew = this.#channels.advance(channel, offset) ?? isAhead
    if (isAhead) this.#offset = offset
    return isNew
  }

  // ——— what is said

  /** Says what may be said now. */
  #say(nowMs: number): void {
    const newcomer = this.#newcomer
    if (newcomer?.isCaughtUp) {
      // What was said on the old link is to be in the journal before what follows it: nothing more is said there.
      newcomer.byMs = Math.min(newcomer.byMs, nowMs + SETTLE_MS)
      if (this.#outbox.isLanded) this.#adopt(newcomer, nowMs)
    }
    const [link] = this.#links
    if (!link?.welcome || nowMs < link.sayAtMs) return
    link.sayAtMs = 0
    // If it got there, that is told before the answer to this, however late both are read.
    if (nowMs >= this.#strayUntilMs) this.#ping(link, nowMs)
    // A newcomer would not be in the channel that is asked for.
    if (!this.#newcomer) this.#request(link, nowMs)
    if (!link.isCaughtUp || this.#newcomer?.isCaughtUp) return
    for (const text of this.#outbox.take((channel) => this.#channels.isReady(channel))) this.#sendText(link, text)
  }

  #request(link: LinkState, nowMs: number): void {
    // Another link has told more: to ask this one for what follows would be to ask for a gap.
    if (link.offset < this.#offset) return this.#ping(link, nowMs)
    for (const { type, id, channels, position } of this.#channels.requests(this.#newId)) {
      this.#send(link, { type, id, channels, since: position === undefined ? undefined : `${this.#epoch}:${position}` })
    }
  }

  #refused(link: LinkState, message: ErrorMessage, nowMs: number): void {
    const { code, temporary, id = '', retryInMs } = message
    const error = new ClientError(code, message.message)
    const isSaid = this.#outbox.has(id)
    const channel = this.#channels.channelOf(id)
    if (!isSaid && channel === undefined) {
      // A `ping` that came too late is nobody's concern.
      if (!temporary) this.#emit('error', error)
    } else if (temporary) {
      // A journal that failed may have taken it all the same.
      if (isSaid) this.#outbox.postponed(id, code !== 'journal_unavailable' && code !== 'internal')
      else if (channel !== undefined) this.#channels.answered(channel)
      // One refusal brings others: what was to come after it.
      if (code === 'shutting_down') link.sayAtMs = Infinity
      else if (code !== 'out_of_order' && link.sayAtMs <= nowMs) {
        link.sayAtMs = nowMs + (retryInMs ?? delayMs(this.#refusals++, false, this.#options))
      }
    } else if (isSaid) this.#outbox.refused(id, error)
    else if (channel !== undefined) {
      this.#channels.lost(channel)
      this.effects.push(['lost', channel, error])
    }
  }

  // ——— effects

  #send(link: LinkState, message: object): void {
    this.#sendText(link, JSON.stringify(message))
  }

  #sendText(link: LinkState, text: string): void {
    this.effects.push(['send', link, text])
  }

  get #isClosed(): boolean {
    return this.#state === 'closed'
  }

  #emit<Event extends keyof ClientEvents>(event: Event, payload: ClientEvents[Event]): void {
    this.effects.push(['emit', event, payload] as unknown as EmitEffect)
  }

  /** What the server says is told as it is. */
  #pass(message: Exclude<Extract<ServerMessage, { type: keyof ClientEvents }>, ErrorMessage>): void {
    this.#emit(message.type, message)
  }

  #setState(state: ClientState): void {
    if (state === this.#state) return
    this.#state = state
    this.#emit('state', state)
  }
}
