/**
 * A client without a library, as the end of PROTOCOL.md describes it. It stores its session and its cursor, resumes with them,
 * and publishes messages without an ack again, with their ids, after the replay has shown which acks it missed. On request it
 * misbehaves: it vanishes, stops reading, connects twice, or repeats acknowledged messages.
 */
import { URLSearchParams } from 'node:url'
import { digestOf } from './history.js'
import { recordedSocket } from './recorded-socket.js'

const TICK_MS = 50
const PING_EVERY_MS = 500
const MAX_IN_FLIGHT = 64
const MAX_REMEMBERED = 30

export class PlainClient {
  #options
  #Socket
  #socket
  /** Connections that a newer one is about to replace. */
  #older = new Set()
  #epoch
  #offset = 0
  #session
  /** channel → the cursor at which it was left, or `undefined`: from the present on */
  #absent = new Map()
  #joined = new Set()
  /** request → channel */
  #requests = new Map()
  #requestCount = 0
  #outbox = []
  /** Recently acknowledged messages. */
  #said = []
  #count = 0
  #isCaughtUp = false
  #maySpeak = false
  #holdUntil = 0
  #lastHeardAt = 0
  #lastPingAt = 0
  #returnTimer
  #isStopped = false
  #timer

  /**
   * @param {object} options
   * @param {string} options.name
   * @param {() => string} options.endpoint Of the next connection.
   * @param {readonly string[]} options.channels Besides the lobby; what it hears.
   * @param {readonly string[]} [options.speaksIn] Of these.
   * @param {string} [options.toggles] The channel that it leaves and takes up again now and then.
   * @param {object} options.history
   * @param {object} options.random
   * @param {number} options.patienceMs A connection that is silent for so long is given up.
   * @param {number} [options.returnWithinMs] After a loss it comes back within this.
   * @param {boolean} [options.isImpatient] It sends again without waiting for the replay, and now and then for no reason.
   * @param {() => string | undefined} [options.token]
   */
  constructor(options) {
    this.#options = { token: () => undefined, returnWithinMs: 150, ...options }
    const { name, history, channels, speaksIn, toggles } = options
    this.name = name
    this.channels = ['lobby', ...channels]
    this.speaksIn = speaksIn ?? this.channels
    this.toggles = toggles
    this.#Socket = recordedSocket(history, name)
    history.record({ type: 'client', client: name, kind: 'plain' })
  }

  start() {
    this.#connect()
    this.#timer = setInterval(() => this.#tick(), TICK_MS)
  }

  stop() {
    this.#isStopped = true
    clearInterval(this.#timer)
    clearTimeout(this.#returnTimer)
    for (const socket of [this.#socket, ...this.#older]) socket?.terminate()
  }

  // ——— commands of the run

  /** @param {{ channel?: string, to?: string }} where */
  publish(where, data) {
    const { history } = this.#options
    const id = `${this.name}-${++this.#count}`
    history.record({ type: 'publish', client: this.name, id, ...where, digest: digestOf(data) })
    this.#outbox.push({ id, where, data, isSent: false, wasSent: false })
    this.#flush()
  }

  /** Disconnects for a while: with a close frame, or without. */
  leave(forMs, isPolite) {
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
  takeOver() {
    if (!this.#isCaughtUp || this.#older.size > 0 || this.#requests.size > 0) return
    this.#older.add(this.#socket)
    this.#connect()
  }

  /** Stops reading for a while. */
  stopReading(forMs) {
    const socket = this.#socket
    if (socket?.readyState !== 1) return
    socket.pause()
    setTimeout(() => socket.resume(), forMs).unref()
  }

  /** Unsubscribes from a channel; `join` resumes it from that position. */
  part(channel) {
    if (!this.#isCaughtUp || !this.#joined.has(channel)) return
    this.#ask('unsubscribe', channel)
  }

  join(channel) {
    if (!this.#isCaughtUp || !this.#absent.has(channel)) return
    this.#ask('subscribe', channel, this.#absent.get(channel))
  }

  get absentChannels() {
    return [...this.#absent.keys()]
  }

  /**
   * Whether it is connected, has received everything up to this offset, and has an answer to each of its messages.
   *
   * @param {number} head
   * @param {string} [epoch] Of the head, where there may be several.
   */
  isDone(head, epoch = this.#epoch) {
    const isThere = this.#epoch === epoch && this.#offset >= head
    return this.#isCaughtUp && this.#outbox.length === 0 && this.#absent.size === 0 && isThere
  }

  /** Its state, for the report of a run that does not end. */
  get report() {
    const { readyState } = this.#socket ?? {}
    return `${this.name}: socket ${readyState}, caught up ${this.#isCaughtUp}, at ${this.#offset}, ${this.#outbox.length} unacked, absent from ${this.absentChannels.join() || 'nothing'}`
  }

  // ——— connections

  #connect() {
    const { endpoint, token } = this.#options
    const wanted = this.channels.filter((channel) => channel !== 'lobby' && !this.#absent.has(channel))
    const parameters = {
      session: this.#session,
      cursor: this.#epoch === undefined ? undefined : `${this.#epoch}:${this.#offset}`,
      channels: wanted.join() || undefined,
      token: token(),
    }
    const query = new URLSearchParams(Object.entries(parameters).filter(([, value]) => value !== undefined))
    const socket = new this.#Socket(`${endpoint()}/${this.name}?${query}`, 'lastcall.v1')
    this.#socket = socket
    this.#requests.clear()
    for (const item of this.#outbox) item.isSent = false
    this.#isCaughtUp = this.#maySpeak = false
    this.#lastHeardAt = this.#lastPingAt = performance.now()
    socket.on('error', () => undefined)
    socket.on('message', (data) => this.#hear(socket, JSON.parse(data.toString())))
    socket.on('close', (code) => this.#closed(socket, code))
  }

  #closed(socket, code) {
    this.#older.delete(socket)
    if (socket !== this.#socket || this.#isStopped) return
    // The server has evicted the entries that this client needs: the protocol requires a reconnect without the cursor.
    if (code === 4008) this.#epoch = undefined
    const isLater = code === 1001 || code === 1013 || code === 4009
    const { random, returnWithinMs } = this.#options
    this.#lose(random.between(0, isLater ? 400 : returnWithinMs))
  }

  /** The connection has ended; another one follows after this delay. */
  #lose(afterMs) {
    this.#socket = undefined
    for (const socket of this.#older) socket.terminate()
    this.#older.clear()
    this.#isCaughtUp = this.#maySpeak = false
    clearTimeout(this.#returnTimer)
    this.#returnTimer = setTimeout(() => this.#connect(), afterMs)
  }

  #tick() {
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
  #stutter() {
    // Only the first message without an ack: the server could accept any later one before its predecessors.
    const candidates = [...this.#said, ...this.#outbox.slice(0, 1).filter(({ isSent }) => isSent)]
    if (candidates.length === 0) return
    this.#say(frameOf(this.#options.random.pick(candidates), undefined))
  }

  #ping() {
    this.#lastPingAt = performance.now()
    this.#say({ type: 'ping' })
  }

  #say(message) {
    if (this.#socket?.readyState === 1) this.#socket.send(JSON.stringify(message))
  }

  #ask(type, channel, since) {
    if ([...this.#requests.values()].includes(channel)) return
    const id = `${this.name}-request-${++this.#requestCount}`
    this.#requests.set(id, channel)
    this.#say({ type, channels: [channel], id, since })
  }

  // ——— received frames

  #hear(socket, message) {
    const isCurrent = socket === this.#socket
    if (!isCurrent && !this.#older.has(socket)) return
    if (isCurrent) this.#lastHeardAt = performance.now()
    switch (message.type) {
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
      default:
        // The offset shows that the client has received this entry already; the history records it anyway.
        if (message.offset !== undefined) this.#offset = Math.max(this.#offset, message.offset)
    }
    if (isCurrent) this.#flush()
  }

  #welcomed({ session, cursor, recovered, channels }) {
    const [epoch, offset] = cursor.split(':')
    this.#session = session
    this.#joined = new Set(channels)
    if (recovered !== true) {
      this.#epoch = epoch
      this.#offset = Number(offset)
      // The client can no longer find out whether the journal contains these.
      const inDoubt = this.#outbox.filter(({ wasSent }) => wasSent)
      this.#outbox = this.#outbox.filter(({ wasSent }) => !wasSent)
      for (const { id } of inDoubt) this.#reject(id, 'outcome_unknown')
    }
    this.#ping()
    if (!this.#options.isImpatient) return
    // Sends everything on both connections, which may lead to two servers.
    for (const socket of this.#older) if (socket.readyState === 1) this.#sayAllTo(socket)
    this.#maySpeak = true
    this.#flush()
  }

  /** Closes an older connection from which nothing more is due. */
  #caughtUp() {
    this.#isCaughtUp = this.#maySpeak = true
    for (const socket of this.#older) socket.close(1000)
    this.#older.clear()
  }

  #answered({ type, id, channels, cursor }) {
    const offset = Number(cursor.split(':')[1])
    this.#offset = Math.max(this.#offset, offset)
    this.#requests.delete(id)
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

  #flush() {
    if (!this.#maySpeak || performance.now() < this.#holdUntil || this.#socket?.readyState !== 1) return
    let after
    for (const item of this.#outbox.slice(0, MAX_IN_FLIGHT)) {
      if (!item.isSent) {
        item.isSent = item.wasSent = true
        this.#say(frameOf(item, after))
      }
      after = item.id
    }
  }

  #sayAllTo(socket) {
    let after
    for (const item of this.#outbox.slice(0, MAX_IN_FLIGHT)) {
      item.wasSent = true
      socket.send(JSON.stringify(frameOf(item, after)))
      after = item.id
    }
  }

  #acked({ id, offset }) {
    const index = this.#outbox.findIndex((item) => item.id === id)
    if (index < 0) return
    this.#said.push(...this.#outbox.splice(index, 1))
    if (this.#said.length > MAX_REMEMBERED) this.#said.shift()
    this.#options.history.record({ type: 'settled', client: this.name, id, offset })
  }

  #refused({ id, temporary, code, retryInMs = 50 }) {
    if (this.#requests.delete(id)) return
    const item = this.#outbox.find((each) => each.id === id)
    if (!item) return
    if (temporary) {
      item.isSent = false
      if (code !== 'out_of_order') this.#holdUntil = performance.now() + retryInMs
    } else {
      this.#outbox.splice(this.#outbox.indexOf(item), 1)
      this.#reject(id, code)
    }
  }

  #reject(id, code) {
    this.#options.history.record({ type: 'rejected', client: this.name, id, code })
  }
}

const frameOf = ({ id, where, data }, after) => ({
  type: where.to === undefined ? 'message' : 'direct',
  ...where,
  data,
  id,
  after,
})
