/**
 * The client's state machine: inputs of the application, the network and the clock go in, effects come out. It makes all
 * decisions and carries out none: it has no socket, no timer, and only the randomness that it is given.
 *
 * The client publishes on one link. While it moves to another instance there is a second link, the replacement. The
 * client receives on both: each delivers everything after the cursor with which it began, in order, and both are in the
 * same channels. So a frame is new if its offset is above the highest one received, on either link. (ADR 8)
 */
import { Channels } from './channels.js'
import type { ConnectionDetails } from './connection-details.js'
import { Effects, type Handshake } from './effects.js'
import { ClientError } from './errors.js'
import type { ClientState } from './events.js'
import type { LinkEnd } from './link.js'
import { LateTakeover } from './late-takeover.js'
import { LinkState } from './link-state.js'
import type { ServerMessage, WelcomeMessage } from './messages.js'
import type { ClientOptions, SavedState } from './options.js'
import { Outbox, type Outgoing } from './outbox.js'
import { positionAt } from './position.js'
import { Progress } from './progress.js'
import { Receiver, type StreamMessage } from './receiver.js'
import { comeBackAfter, Reconnect, type Bounds, type ComeBack } from './reconnect.js'
import { Sender } from './sender.js'

/** The options of the client that concern the state machine. */
export type CoreOptions = Pick<ClientOptions, 'clientId' | 'token' | 'connectTimeoutMs' | 'maxQueue'> & Bounds

/** How long a replacement waits for the acks of the link that it replaces, in milliseconds. */
const SETTLE_MS = 1000

/** A code outside the protocol's table: the client closes a connection that no longer responds. */
const CLOSE_DEAD = 4000
const CLOSE_NORMAL = 1000
const CLOSE_ABNORMAL = 1006
/** The server accepted another connection of this client on the same instance. */
const TAKEN_OVER = 4001

export class Core {
  readonly effects = new Effects()
  readonly #options: CoreOptions
  readonly #connectTimeoutMs: number
  readonly #outbox = new Outbox()
  readonly #channels = new Channels((channel) => this.#outbox.needs(channel))
  readonly #progress = new Progress(this.#channels)
  readonly #lateTakeover = new LateTakeover()
  readonly #reconnect: Reconnect
  readonly #sender: Sender
  readonly #receiver: Receiver
  #state: ClientState = 'connecting'
  /** The client publishes on the first one; if there is none, the next attempt is due. A second one is the replacement. */
  #links: LinkState[] = []
  /** The cause of the close of the client. */
  #end: ConnectionDetails | undefined
  #clientId: string | undefined
  #session: string | undefined
  #node: string | undefined

  /** @param newId Creates ids for the client's own requests. */
  constructor(options: CoreOptions, newId: () => string) {
    this.#options = options
    this.#connectTimeoutMs = options.connectTimeoutMs ?? 10_000
    this.#clientId = options.clientId
    this.#reconnect = new Reconnect(options)
    this.#sender = new Sender(this.#outbox, this.#channels, this.effects, options, newId)
    this.#receiver = new Receiver(this.#progress, this.#channels, this.#sender, this.effects)
  }

  get state(): ClientState {
    return this.#state
  }

  get clientId(): string | undefined {
    return this.#clientId
  }

  /** The state for the store; `undefined` before the server has accepted the client. */
  get saved(): SavedState | undefined {
    return this.#session === undefined ? undefined : (this.#self as SavedState)
  }

  /** The identity and the position of the client, as far as it knows them. */
  get #self(): Pick<Handshake, keyof SavedState> {
    return { clientId: this.#clientId, session: this.#session, cursor: this.#progress.cursor }
  }

  /** The time of the next call of `tick`, by the clock of all the `nowMs`. */
  get wakeAtMs(): number {
    return Math.min(this.#reconnect.atMs, ...this.#links.map(({ wakeAtMs }) => wakeAtMs))
  }

  /** Starts. A saved state of another clientId is ignored. */
  start(saved: SavedState | undefined, nowMs: number): void {
    if (this.#isClosed) return
    if (saved && (this.#clientId ?? saved.clientId) === saved.clientId) {
      this.#clientId = saved.clientId
      this.#session = saved.session
      this.#progress.position = positionAt(saved.cursor)
    }
    this.#connect(nowMs)
  }

  publish(outgoing: Outgoing, nowMs: number): void {
    const { size } = this.#outbox
    if (size < (this.#options.maxQueue ?? 1000)) {
      this.#outbox.add(outgoing)
      if (this.#isClosed) this.#outbox.drop(this.#end)
      else this.#flush(nowMs)
    } else outgoing.reject(new ClientError('queue_full', `${size} messages wait already`))
  }

  subscribe(channel: string, nowMs: number): void {
    // Before the first handshake the client can still name the channel there, and the resumed stream includes it.
    this.#channels.want(channel, this.#progress.position)
    this.#rechannel(nowMs)
  }

  unsubscribe(channel: string, nowMs: number): void {
    this.#channels.unwant(channel)
    this.#rechannel(nowMs)
  }

  close(): void {
    if (!this.#isClosed) this.#finish({ code: CLOSE_NORMAL, reason: '' })
  }

  tick(nowMs: number): void {
    if (nowMs >= this.#reconnect.atMs) this.#connect(nowMs)
    for (const link of [...this.#links]) {
      if (nowMs >= link.deadlineMs && link.isCaughtUp) this.#promote(link, nowMs)
      else if (link.isOverdue(nowMs)) this.#drop(link, CLOSE_DEAD, nowMs, 'the server does not answer')
      else if (link.isSilent(nowMs)) this.#sender.ping(link, nowMs)
    }
    const [link] = this.#links
    if (link?.slot.isDue(nowMs, this.#options)) {
      // Leaving now would lose a pending answer, and with it the entries of a channel that the server has replayed so far.
      if (this.#channels.isAsking) link.slot.again(nowMs, this.#options)
      else this.#open(link.welcome?.build, nowMs)
    }
    this.#flush(nowMs)
  }

  /** The network is back, or the user returns to the page: reconnect now, and check an old connection. */
  woken(nowMs: number): void {
    const [link] = this.#links
    if (this.#reconnect.atMs < Infinity) this.#connect(nowMs)
    else if (link?.welcome) this.#sender.ping(link, nowMs, this.#connectTimeoutMs)
  }

  /** A link has ended, or could not be established. */
  ended(link: LinkState, end: LinkEnd, nowMs: number): void {
    if (!this.#links.includes(link)) return
    const { code } = end
    // A server that rejects a client and names the time of the next attempt expects it again, whatever the code.
    const comeBack = !link.welcome && link.returnInMs !== undefined ? 'yes' : comeBackAfter(code)
    // A new token helps only after the server has accepted the old one and it has expired.
    const canRenew = typeof this.#options.token === 'function' && link.welcome
    // The client's own attempt took over: the replacement, or an abandoned one.
    const isHandOver = code === TAKEN_OVER && (this.#replacement || this.#lateTakeover.isPossible)
    if (isHandOver) this.#lateTakeover.settle()
    const isOver = comeBack === 'no' ? !isHandOver : comeBack === 'new-token' && !canRenew
    if (isOver && link === this.#links[0]) {
      this.#links.shift()
      return this.#finish(end)
    }
    this.#lost(link, end, comeBack, nowMs)
    this.#flush(nowMs)
  }

  received(link: LinkState, message: ServerMessage, nowMs: number): void {
    if (!this.#links.includes(link)) return
    if (!link.welcome) {
      if (message.type === 'welcome') this.#welcomed(link, message, nowMs)
      else if (message.type === 'rejected') link.returnInMs = message.retryInMs
    } else if (message.type === 'closing') {
      link.returnInMs = message.returnInMs
    } else if (message.type !== 'welcome' && message.type !== 'rejected') {
      link.received(message, nowMs)
      if (link === this.#links[0] || 'offset' in message) this.#take(link, message, nowMs)
      // The instance drains: the client would have to leave it at once.
      else if (message.type === 'shutdown') this.#drop(link, CLOSE_NORMAL, nowMs)
    }
    this.#flush(nowMs)
  }

  /** A frame that no lastcall server sends. If it is the first one of a link, the URL leads to another kind of server. */
  misunderstood(link: LinkState, nowMs: number): void {
    if (!link.welcome && this.#links.includes(link)) {
      this.#drop(link, CLOSE_NORMAL, nowMs, 'not a lastcall server', 'later')
    }
  }

  #take(link: LinkState, message: StreamMessage, nowMs: number): void {
    this.#receiver.take(link, message, nowMs)
    if (message.type === 'pong') this.#lateTakeover.answered(link.pingedAtMs)
    else if (message.type === 'shutdown') {
      link.returnInMs = message.returnInMs
      link.slot.given(message, nowMs, !!this.#replacement)
      this.effects.emit('shutdown', message)
    } else if (message.type === 'shutdownCancelled') {
      link.returnInMs = undefined
      // Another instance may have accepted the replacement already: this server would then close the link with 4001.
      // Therefore the client completes a migration that has begun.
      link.slot.cancelled()
      this.effects.emit('shutdownCancelled', message)
    }
  }

  /** The link that is to replace the first one. */
  get #replacement(): LinkState | undefined {
    return this.#links[1]
  }

  #open(avoid: string | undefined, nowMs: number): void {
    const link = new LinkState(nowMs + this.#connectTimeoutMs, this.#progress.offset)
    this.#links.push(link)
    this.effects.connect(link, { ...this.#self, channels: this.#channels.established, avoid })
  }

  #connect(nowMs: number): void {
    this.#reconnect.atMs = Infinity
    this.#open(undefined, nowMs)
  }

  #welcomed(link: LinkState, welcome: WelcomeMessage, nowMs: number): void {
    const from = link.offset
    link.welcomed(welcome, nowMs)
    const { channels } = welcome
    const recovered = welcome.recovered === true
    if (link === this.#replacement) {
      if (recovered && this.#channels.areIn(channels)) this.#catchUp(link, nowMs)
      else this.#drop(link, CLOSE_NORMAL, nowMs)
      return
    }
    const hadCursor = this.#progress.position !== undefined
    this.#progress.begin(welcome, from)
    const wasAway = this.#state !== 'open'
    this.#setState('open', this.#reconnect.details())
    this.effects.emitWelcome(welcome)
    if (hadCursor && (wasAway || !recovered)) this.effects.emit('recovered', { recovered, channels })
    if (!recovered) this.#outbox.dropInDoubt()
    this.#promote(link, nowMs)
  }

  /** Promotes the replacement: from now on the client publishes on this link. Closes the link before it. */
  #promote(link: LinkState, nowMs: number): void {
    const { welcome } = link
    if (!welcome) return
    if (link === this.#replacement) this.#disconnect(this.#links.shift(), CLOSE_NORMAL)
    link.deadlineMs = Infinity
    this.#clientId = welcome.clientId
    this.#session = welcome.session
    const from = this.#node
    const to = (this.#node = welcome.node)
    if (from !== undefined && from !== to) this.effects.emit('move', { from, to })
    this.#outbox.cut()
    if (this.#outbox.hasInDoubt) this.#catchUp(link, nowMs)
  }

  #catchUp(link: LinkState, nowMs: number): void {
    link.isCaughtUp = false
    this.#sender.ping(link, nowMs)
  }

  #disconnect(link: LinkState | undefined, code: number): void {
    if (link) this.effects.disconnect(link, code, code === CLOSE_DEAD)
  }

  #drop(link: LinkState, code: number, nowMs: number, reason = '', comeBack: ComeBack = 'yes'): void {
    this.#disconnect(link, code)
    this.#lost(link, { code: CLOSE_ABNORMAL, reason }, comeBack, nowMs)
  }

  /** The client continues with the remaining link: the older one, or the replacement in its present state. */
  #lost(lost: LinkState, { code, reason, cause }: LinkEnd, comeBack: ComeBack, nowMs: number): void {
    const wasFirst = lost === this.#links[0]
    if (!lost.welcome || !wasFirst) this.#lateTakeover.expect(nowMs)
    this.#links = this.#links.filter((link) => link !== lost)
    const [link] = this.#links
    let nextAttemptInMs: number | undefined
    if (link && !wasFirst) link.slot.again(nowMs, this.#options, lost.returnInMs)
    else if (link?.welcome) this.#promote(link, nowMs)
    else {
      this.#channels.cut()
      if (!link) {
        if (lost.isStable(nowMs)) this.#reconnect.attempts = 0
        nextAttemptInMs = this.#reconnect.schedule(nowMs, comeBack === 'later', lost.returnInMs)
      }
      // The server has accepted a replacement that took over: its `welcome` is about to arrive.
      if (this.#node !== undefined && !(link && comeBack === 'no')) {
        this.#setState('reconnecting', this.#reconnect.details(code, reason, nextAttemptInMs))
      }
    }
    // The client migrates by itself, so the rejection of a replacement is no error.
    if (!lost.welcome && (wasFirst || cause !== undefined)) {
      const problem = reason || `the connection ended before the welcome (${code})`
      const details = this.#reconnect.details(code, reason, nextAttemptInMs)
      this.effects.emit('error', new ClientError('connect_failed', problem, cause, details))
    }
  }

  #finish({ code, reason }: LinkEnd): void {
    for (const link of this.#links) this.#disconnect(link, CLOSE_NORMAL)
    this.#links = []
    this.#reconnect.atMs = Infinity
    this.#end = this.#reconnect.details(code, reason)
    this.#outbox.drop(this.#end)
    this.#setState('closed', this.#end)
    this.effects.emit('close', { code, reason })
  }

  /** The channels have changed. The client drops a replacement without `welcome`, because it would delay the change. */
  #rechannel(nowMs: number): void {
    if (this.#replacement && !this.#replacement.welcome) this.#drop(this.#replacement, CLOSE_NORMAL, nowMs)
    this.#flush(nowMs)
  }

  /** Sends all frames that may be sent now. */
  #flush(nowMs: number): void {
    const replacement = this.#replacement
    if (replacement?.isCaughtUp) {
      // Messages of the old link must be in the journal before their successors: the client sends nothing more on it.
      replacement.deadlineMs = Math.min(replacement.deadlineMs, nowMs + SETTLE_MS)
      if (this.#outbox.isLanded) this.#promote(replacement, nowMs)
    }
    const [link] = this.#links
    if (!link?.welcome || nowMs < link.sendNotBeforeMs) return
    link.sendNotBeforeMs = 0
    if (this.#lateTakeover.isToBeAsked(nowMs)) this.#sender.ping(link, nowMs)
    // A replacement would lack the requested channel.
    if (!this.#replacement) {
      // Another link has delivered more, so a request on this one would skip entries.
      if (link.offset < this.#progress.offset) this.#sender.ping(link, nowMs)
      else this.#sender.requests(link)
    }
    if (!link.isCaughtUp || this.#replacement?.isCaughtUp) return
    this.#sender.messages(link)
  }

  get #isClosed(): boolean {
    return this.#state === 'closed'
  }

  #setState(state: ClientState, details: ConnectionDetails): void {
    if (state === this.#state) return
    this.#state = state
    this.effects.emitState(state, details)
  }
}
