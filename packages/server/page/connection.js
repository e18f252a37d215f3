/**
 * One client's conversation with the server, across as many WebSockets as it takes: it connects, resumes from its cursor,
 * sends what was not acknowledged again under the same id (the server drops what it has already), and knows which close
 * codes say "come back". It knows nothing of the page; what happens is told to `listener`.
 */

import { comeBackAfter } from './close-codes.js'

const SUBPROTOCOL = 'lastcall.v1'

/** Pauses grow from the first to the last of these; the pause itself is anything below (full jitter). */
const BACKOFF_MS = { yes: [500, 30_000], 'no-cursor': [500, 30_000], later: [4_000, 60_000] }

/** A connection that lived this long was a good one: the next pause is short again. */
const GOOD_CONNECTION_MS = 10_000

/** How long a handshake may take, and the answer to a `ping` when the page has just been woken up. */
const CONNECT_TIMEOUT_MS = 15_000
const WAKE_UP_TIMEOUT_MS = 5_000

/** What may wait for an acknowledgement at the same time. */
const MAX_UNACKNOWLEDGED = 50

/** `crypto.randomUUID` exists only on https and localhost; this works on a phone in the same network too. */
const randomId = () =>
  Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, '0')).join('')

/**
 * What `listener` is told:
 * - `onState({ state, retryInMs?, code?, reason?, wasOpen? })`: `idle`, `connecting`, `online`, `waiting` (for the next
 *   attempt) or `ended` (it will not come back by itself)
 * - `onFrame(frame)`: anything the server said, but what was seen already
 * - `onSent({ id, status, offset?, code?, retryInMs? })`: a message is `queued`, `sent`, `journaled`, `delayed` (too
 *   many: the oldest of them goes out in retryInMs, the others after it), `unsure` or `refused`
 */
export class Connection {
  #listener
  #address
  #random
  #client
  #socket
  #cursor
  #heartbeatTimer
  #answerTimer
  #retryTimer
  #attempt = 0
  #welcomedAt
  #state = 'idle'
  /** By id, in the order they were said. */
  #unacknowledged = new Map()
  /** Too many were sent: from then on one goes at a time, so that they keep their order. */
  #isLimited = false
  #limitTimer
  #tried

  /** `address`: of the page; the endpoint is `ws/` below it. */
  constructor(listener, address, random = Math.random) {
    this.#listener = listener
    this.#address = address
    this.#random = random
  }

  get state() {
    return this.#state
  }

  /** What a later connection needs to be the same client and miss nothing. */
  get identity() {
    return { ...this.#client, cursor: this.#cursor ? `${this.#cursor.epoch}:${this.#cursor.offset}` : undefined }
  }

  /** Comes in as `name`. `session`, `cursor`, `token`: as far as known. */
  start({ name, token, session, cursor }) {
    this.#drop()
    this.#forgetUnacknowledged()
    this.#client = { name, token, session }
    this.#cursor = parseCursor(cursor)
    this.#attempt = 0
    this.#connect()
  }

  /** Leaves for good. */
  stop() {
    const socket = this.#socket
    this.#drop()
    socket?.close(1000)
    this.#forgetUnacknowledged()
    this.#become('idle')
  }

  /** Does not wait any longer for the next attempt; also after it has ended. */
  retryNow() {
    if (this.#state !== 'waiting' && this.#state !== 'ended') return
    clearTimeout(this.#retryTimer)
    this.#connect()
  }

  /** The page was asleep, the network changed: is anybody there? */
  wakeUp() {
    if (this.#state === 'waiting') this.retryNow()
    else if (this.#state === 'online') this.#ping(WAKE_UP_TIMEOUT_MS)
  }

  /** Says it to everybody, or to one. Returns its id; `undefined`: too much is waiting already. */
  say(data, to) {
    if (this.#unacknowledged.size >= MAX_UNACKNOWLEDGED) return undefined
    const message = { id: randomId(), data, to, status: 'queued' }
    this.#unacknowledged.set(message.id, message)
    return message.id
  }

  /** Sends it, now or when connected: after `say`, and again after `refused` or `unsure`. */
  send(id) {
    const message = this.#unacknowledged.get(id)
    if (!message) return
    if (this.#state !== 'online') this.#mark(message, { status: 'queued' })
    else if (this.#isLimited) this.#mark(message, { status: 'delayed' })
    else this.#write(message)
  }

  #write(message) {
    const { id, data, to } = message
    this.#socket.send(JSON.stringify(to ? { type: 'direct', to, data, id } : { type: 'message', data, id }))
    this.#mark(message, { status: 'sent' })
  }

  /** The oldest of those that were too many; when none is left, all is as before. */
  #writeDelayed() {
    this.#limitTimer = undefined
    if (this.#state !== 'online') return
    const oldest = [...this.#unacknowledged.values()].find(({ status }) => status === 'delayed')
    this.#isLimited = oldest !== undefined
    this.#tried = oldest
    if (oldest) this.#write(oldest)
  }

  #connect() {
    const { name, token, session } = this.#client
    const url = new URL(`ws/${encodeURIComponent(name)}`, this.#address)
    url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:'
    if (this.#cursor) url.searchParams.set('cursor', `${this.#cursor.epoch}:${this.#cursor.offset}`)
    if (session) url.searchParams.set('session', session)
    if (token) url.searchParams.set('token', token)

    const socket = new WebSocket(url, SUBPROTOCOL)
    this.#socket = socket
    this.#welcomedAt = undefined
    let wasOpen = false
    socket.addEventListener('open', () => (wasOpen = true))
    socket.addEventListener('message', (event) => {
      if (socket === this.#socket) this.#receive(event.data)
    })
    socket.addEventListener('close', (event) => {
      if (socket === this.#socket) this.#closed(event.code, event.reason, wasOpen)
    })
    this.#answerTimer = setTimeout(() => this.#lost(), CONNECT_TIMEOUT_MS)
    this.#become('connecting')
  }

  #receive(text) {
    this.#heard()
    let frame
    try {
      frame = JSON.parse(text)
    } catch {
      return
    }
    if (typeof frame !== 'object' || frame === null) return
    if (frame.type === 'welcome') return this.#welcome(frame)
    // Seen before: only an ack may be older, that of a retry.
    if (typeof frame.offset === 'number' && this.#cursor) {
      if (frame.offset <= this.#cursor.offset && frame.type !== 'ack') return
      this.#cursor.offset = Math.max(this.#cursor.offset, frame.offset)
    }
    if (frame.type === 'ack') this.#acknowledged(frame)
    if (frame.type === 'error') this.#refused(frame)
    this.#listener.onFrame(frame)
  }

  #welcome(frame) {
    this.#client.session = frame.session
    this.#cursor = parseCursor(frame.cursor)
    this.#welcomedAt = performance.now()
    clearInterval(this.#heartbeatTimer)
    const heartbeatMs = Math.max(1, frame.heartbeatSeconds) * 1000
    this.#heartbeatTimer = setInterval(() => this.#ping(heartbeatMs), heartbeatMs)
    this.#become('online')
    this.#listener.onFrame(frame)
    for (const message of [...this.#unacknowledged.values()]) {
      if (message.status === 'queued') this.send(message.id)
      // Whoever has the whole story still has the ids in it: a retry can't come twice. Otherwise a person decides.
      else if (message.status === 'sent' && frame.recovered === true) this.send(message.id)
      else if (message.status === 'sent') this.#mark(message, { status: 'unsure' })
    }
    if (this.#isLimited && this.#limitTimer === undefined) this.#writeDelayed()
  }

  #acknowledged({ id, offset }) {
    const message = this.#unacknowledged.get(id)
    if (!message) return
    this.#unacknowledged.delete(id)
    this.#mark(message, { status: 'journaled', offset })
    if (message === this.#tried) this.#writeDelayed()
  }

  #refused({ id, code, temporary, retryInMs, message: text }) {
    const message = this.#unacknowledged.get(id)
    if (!message) return
    if (temporary && typeof retryInMs === 'number') {
      this.#isLimited = true
      clearTimeout(this.#limitTimer)
      this.#limitTimer = setTimeout(() => this.#writeDelayed(), retryInMs)
      return this.#mark(message, { status: 'delayed', code, retryInMs })
    }
    if (!temporary) this.#unacknowledged.delete(id)
    if (code === 'shutting_down') this.#mark(message, { status: 'queued', code })
    else this.#mark(message, { status: 'refused', code, temporary, text })
    if (message === this.#tried) this.#writeDelayed()
  }

  #mark(message, news) {
    message.status = news.status
    this.#listener.onSent({ id: message.id, ...news })
  }

  /** Nothing was heard for a while: asks, and gives up when there is no answer. */
  #ping(timeoutMs) {
    if (this.#answerTimer !== undefined) return
    this.#socket.send('{"type":"ping"}')
    this.#answerTimer = setTimeout(() => this.#lost(), timeoutMs)
  }

  #heard() {
    clearTimeout(this.#answerTimer)
    this.#answerTimer = undefined
  }

  /** The socket is dead but doesn't know: its own close event may take minutes. */
  #lost() {
    const socket = this.#socket
    const wasOpen = socket.readyState !== WebSocket.CONNECTING
    this.#drop()
    socket.close()
    this.#closed(1006, '', wasOpen)
  }

  #closed(code, reason, wasOpen) {
    this.#drop()
    const comeBack = comeBackAfter(code)
    if (comeBack === 'no-cursor') this.#cursor = undefined
    if (!(comeBack in BACKOFF_MS)) return this.#become('ended', { code, reason, wasOpen })

    if (this.#welcomedAt !== undefined && performance.now() - this.#welcomedAt > GOOD_CONNECTION_MS) this.#attempt = 0
    const [firstMs, lastMs] = BACKOFF_MS[comeBack]
    const retryInMs = this.#random() * Math.min(lastMs, firstMs * 2 ** this.#attempt)
    this.#attempt += 1
    this.#retryTimer = setTimeout(() => this.#connect(), retryInMs)
    this.#become('waiting', { code, reason, wasOpen, retryInMs })
  }

  #forgetUnacknowledged() {
    clearTimeout(this.#limitTimer)
    this.#limitTimer = undefined
    this.#isLimited = false
    this.#unacknowledged.clear()
  }

  #drop() {
    clearTimeout(this.#retryTimer)
    clearInterval(this.#heartbeatTimer)
    this.#heard()
    this.#socket = undefined
  }

  #become(state, details = {}) {
    this.#state = state
    this.#listener.onState({ state, ...details })
  }
}

function parseCursor(text) {
  const colon = text?.lastIndexOf(':') ?? -1
  const offset = Number(text?.slice(colon + 1))
  return colon > 0 && Number.isSafeInteger(offset) ? { epoch: text.slice(0, colon), offset } : undefined
}
