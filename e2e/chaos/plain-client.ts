/**
 * A client without a library, as the end of PROTOCOL.md describes it. It stores its session and its cursor, resumes with them,
 * and publishes messages without an ack again, with their ids, after the replay has shown which acks it missed. On request it
 * misbehaves: it vanishes, stops reading, connects twice, or repeats acknowledged messages.
 */
import type { CampaignClient, CampaignClientOptions, Destination } from './campaign-client.js'
import { parseFrame, type Frame, type FrameOf } from './frames.js'
import { digestOf } from './history.js'
import { Outbox, publishFrame } from './outbox.js'
import { recordedSocket, type RecordedSocket, type RecordedSocketClass } from './recorded-socket.js'

const TICK_MS = 50
const PING_EVERY_MS = 500
const MAX_IN_FLIGHT = 64
const RETRY_MS = 50

export interface PlainClientOptions extends CampaignClientOptions {
  /** After a loss of its connection it reconnects within this time. Default: 150. */
  readonly returnWithinMs?: number
  /** It sends messages again without waiting for the replay, and now and then for no reason. */
  readonly isImpatient?: boolean
}

export class PlainClient implements CampaignClient {
  readonly name: string
  readonly speaksIn: readonly string[]
  readonly toggles: string | undefined
  readonly #channels: readonly string[]
  readonly #options: PlainClientOptions
  readonly #Socket: RecordedSocketClass
  #socket: RecordedSocket | undefined
  /** Connections that a newer one is about to replace. */
  readonly #older = new Set<RecordedSocket>()
  #epoch: string | undefined
  #offset = 0
  #session: string | undefined
  /** channel → the cursor at which the client left it */
  readonly #absent = new Map<string, string>()
  #joined = new Set<string>()
  /** request → channel */
  readonly #requests = new Map<string, string>()
  #requestCount = 0
  readonly #outbox = new Outbox()
  #count = 0
  #isCaughtUp = false
  #maySpeak = false
  #holdUntil = 0
  #lastHeardAt = 0
  #lastPingAt = 0
  #returnTimer: NodeJS.Timeout | undefined
  #isStopped = false
  #timer: NodeJS.Timeout | undefined

  constructor(options: PlainClientOptions) {
    this.#options = options
    const { name, history, channels, speaksIn, toggles } = options
    this.name = name
    this.#channels = ['lobby', ...channels]
    this.speaksIn = speaksIn ?? this.#channels
    this.toggles = toggles
    this.#Socket = recordedSocket(history, name)
    history.record({ type: 'client', client: name, kind: 'plain' })
  }

  start(): void {
    this.#connect()
    this.#timer = setInterval(() => this.#tick(), TICK_MS)
  }

  stop(): void {
    this.#isStopped = true
    clearInterval(this.#timer)
    clearTimeout(this.#returnTimer)
    for (const socket of [this.#socket, ...this.#older]) socket?.terminate()
  }

  // ——— commands of the run

  publish(where: Destination, data: unknown): void {
    const { history } = this.#options
    const id = `${this.name}-${++this.#count}`
    history.record({ type: 'publish', client: this.name, id, ...where, digest: digestOf(data) })
    this.#outbox.add(id, where, data)
    this.#flush()
  }

  /** Disconnects for a while: with a close frame, or without. */
  leave(forMs: number, isPolite: boolean): void {
    const socket = this.#socket
    if (!socket) return
    this.#lose(forMs)
    if (isPolite) socket.close(1000)
    else socket.terminate()
  }

  /**
   * Opens a second connection beside the first one. Not while the answer to a request is due: both connections must be in the
   * same channels (PROTOCOL.md, Moving on to another instance).
   */
  takeOver(): void {
    if (!this.#socket || !this.#isCaughtUp || this.#older.size > 0 || this.#requests.size > 0) return
    this.#older.add(this.#socket)
    this.#connect()
  }

  /** Stops reading for a while. */
  stopReading(forMs: number): void {
    const socket = this.#socket
    if (socket?.readyState !== 1) return
    socket.pause()
    setTimeout(() => socket.resume(), forMs).unref()
  }

  /** Unsubscribes from a channel; `join` resumes it from that position. */
  part(channel: string): void {
    if (!this.#isCaughtUp || !this.#joined.has(channel)) return
    this.#ask('unsubscribe', channel)
  }

  join(channel: string): void {
    if (!this.#isCaughtUp || !this.#absent.has(channel)) return
    this.#ask('subscribe', channel, this.#absent.get(channel))
  }

  get absentChannels(): readonly string[] {
    return [...this.#absent.keys()]
  }

  /**
   * Whether it is connected, has received everything up to this offset, and has an answer to each of its messages.
   *
   * @param epoch Of the head, where there may be several.
   */
  isDone(head: number, epoch = this.#epoch): boolean {
    const isThere = this.#epoch === epoch && this.#offset >= head
    return this.#isCaughtUp && this.#outbox.size === 0 && this.#absent.size === 0 && isThere
  }

  /** Its state, for the report of a run that does not end. */
  get report(): string {
    return `${this.name}: socket ${this.#socket?.readyState}, caught up ${this.#isCaughtUp}, at ${this.#offset}, ${this.#outbox.size} unacked, absent from ${this.absentChannels.join() || 'nothing'}`
  }

  // ——— connections

  #connect(): void {
    const { endpoint, token } = this.#options
    const wanted = this.#channels.filter((channel) => channel !== 'lobby' && !this.#absent.has(channel))
    const query = new URLSearchParams()
    if (this.#session !== undefined) query.set('session', this.#session)
    if (this.#epoch !== undefined) query.set('cursor', `${this.#epoch}:${this.#offset}`)
    if (wanted.length > 0) query.set('channels', wanted.join())
    if (token) query.set('token', token())
    const socket = new this.#Socket(`${endpoint()}/${this.name}?${query.toString()}`, 'lastcall.v1')
    this.#socket = socket
    this.#requests.clear()
    this.#outbox.beginConnection()
    this.#isCaughtUp = this.#maySpeak = false
    this.#lastHeardAt = this.#lastPingAt = performance.now()
    socket.on('error', () => undefined)
    socket.on('message', (data: Buffer) => this.#hear(socket, parseFrame(data.toString())))
    socket.on('close', (code) => this.#closed(socket, code))
  }

  #closed(socket: RecordedSocket, code: number): void {
    this.#older.delete(socket)
    if (socket !== this.#socket || this.#isStopped) return
    // The server has evicted the entries that this client needs: the protocol requires a reconnect without the cursor.
    if (code === 4008) this.#epoch = undefined
    const isLater = code === 1001 || code === 1013 || code === 4009
    const { random, returnWithinMs = 150 } = this.#options
    this.#lose(random.between(0, isLater ? 400 : returnWithinMs))
  }

  /** The connection has ended; another one follows after this delay. */
  #lose(afterMs: number): void {
    this.#socket = undefined
    for (const socket of this.#older) socket.terminate()
    this.#older.clear()
    this.#isCaughtUp = this.#maySpeak = false
    clearTimeout(this.#returnTimer)
    this.#returnTimer = setTimeout(() => this.#connect(), afterMs)
  }

  #tick(): void {
    if (!this.#socket) return
    const now = performance.now()
    if (now - this.#lastHeardAt > this.#options.patienceMs) {
      const socket = this.#socket
      this.#lose(0)
      socket.terminate()
      return
    }
    if (this.#isCaughtUp && now - this.#lastPingAt > PING_EVERY_MS) this.#ping()
    this.#flush()
    if (this.#options.isImpatient && this.#maySpeak && this.#options.random.chance(0.05)) this.#stutter()
  }

  /** Publishes messages again that are acknowledged or pending. The server must not deliver them twice. */
  #stutter(): void {
    const { repeatable } = this.#outbox
    if (repeatable.length === 0) return
    this.#say(publishFrame(this.#options.random.pick(repeatable), undefined))
  }

  #ping(): void {
    this.#lastPingAt = performance.now()
    this.#say({ type: 'ping' })
  }

  #say(message: object): void {
    if (this.#socket?.readyState === 1) this.#socket.send(JSON.stringify(message))
  }

  #ask(type: 'subscribe' | 'unsubscribe', channel: string, since?: string): void {
    if ([...this.#requests.values()].includes(channel)) return
    const id = `${this.name}-request-${++this.#requestCount}`
    this.#requests.set(id, channel)
    this.#say({ type, channels: [channel], id, since })
  }

  // ——— received frames

  #hear(socket: RecordedSocket, message: Frame | undefined): void {
    const isCurrent = socket === this.#socket
    if (!isCurrent && !this.#older.has(socket)) return
    if (isCurrent) this.#lastHeardAt = performance.now()
    switch (message?.type) {
      case 'welcome':
        this.#welcomed(message)
        return
      case 'pong':
        this.#offset = Math.max(this.#offset, message.offset)
        if (isCurrent) this.#caughtUp()
        break
      case 'ack':
        this.#offset = Math.max(this.#offset, message.offset)
        this.#acked(message)
        break
      case 'subscribed':
      case 'unsubscribed':
        if (isCurrent) this.#answered(message)
        break
      case 'error':
        if (isCurrent) this.#refused(message)
        break
      case 'message':
      case 'direct':
      case 'presence':
        // The offset shows that the client has received this entry already; the history records it anyway.
        this.#offset = Math.max(this.#offset, message.offset)
        break
      case undefined:
    }
    if (isCurrent) this.#flush()
  }

  #welcomed({ session, cursor, recovered, channels }: FrameOf<'welcome'>): void {
    const [epoch, offset] = cursor.split(':')
    this.#session = session
    this.#joined = new Set(channels)
    if (recovered !== true) {
      this.#epoch = epoch
      this.#offset = Number(offset)
      // The client can no longer find out whether the journal contains these.
      for (const { id } of this.#outbox.takeSent()) this.#reject(id, 'outcome_unknown')
    }
    this.#ping()
    if (!this.#options.isImpatient) return
    // Sends everything on both connections, which may lead to two servers.
    for (const socket of this.#older) if (socket.readyState === 1) this.#sayAllTo(socket)
    this.#maySpeak = true
    this.#flush()
  }

  /** Closes an older connection from which nothing more is due. */
  #caughtUp(): void {
    this.#isCaughtUp = this.#maySpeak = true
    for (const socket of this.#older) socket.close(1000)
    this.#older.clear()
  }

  #answered({ type, id, channels, cursor }: FrameOf<'subscribed' | 'unsubscribed'>): void {
    const offset = Number(cursor.split(':')[1])
    this.#offset = Math.max(this.#offset, offset)
    if (id !== undefined) this.#requests.delete(id)
    for (const channel of channels) {
      if (type === 'subscribed') {
        this.#absent.delete(channel)
        this.#joined.add(channel)
      } else {
        this.#absent.set(channel, cursor)
        this.#joined.delete(channel)
      }
    }
  }

  // ——— published messages

  #flush(): void {
    if (!this.#maySpeak || performance.now() < this.#holdUntil || this.#socket?.readyState !== 1) return
    let after: string | undefined
    for (const item of this.#outbox.first(MAX_IN_FLIGHT)) {
      if (!item.isSent) {
        item.isSent = item.wasSent = true
        this.#say(publishFrame(item, after))
      }
      after = item.id
    }
  }

  #sayAllTo(socket: RecordedSocket): void {
    let after: string | undefined
    for (const item of this.#outbox.first(MAX_IN_FLIGHT)) {
      item.wasSent = true
      socket.send(JSON.stringify(publishFrame(item, after)))
      after = item.id
    }
  }

  #acked({ id, offset }: FrameOf<'ack'>): void {
    const message = this.#outbox.find(id)
    if (!message) return
    this.#outbox.acked(message)
    this.#options.history.record({ type: 'settled', client: this.name, id: message.id, offset })
  }

  #refused({ id, temporary, code, retryInMs = RETRY_MS }: FrameOf<'error'>): void {
    if (id !== undefined && this.#requests.delete(id)) return
    const item = this.#outbox.find(id)
    if (!item) return
    if (temporary) {
      item.isSent = false
      if (code !== 'out_of_order') this.#holdUntil = performance.now() + retryInMs
    } else {
      this.#outbox.remove(item)
      this.#reject(item.id, code)
    }
  }

  #reject(id: string, code: string): void {
    this.#options.history.record({ type: 'rejected', client: this.name, id, code })
  }
}
