/**
 * A client by a bare WebSocket that returns when PROTOCOL.md says so, to the next server, with its session and its cursor. It writes
 * down what happens to it.
 */
import { stringify } from 'node:querystring'
import { WebSocket } from 'ws'

/** Without a hint of the server. */
const PAUSE_MS = 1000

export class Returning {
  heard = []
  /** The field `recovered` of each `welcome`. */
  recovered = []
  rejections = 0
  closedAt
  returnedAt
  isUnannounced = false
  isRejected = false
  hasHeardOld = false
  #name
  #ports
  #at
  #socket
  #session
  #cursor
  #hintMs
  #isLeaving = false
  #arrived

  /** @param {number} first The index of its first server. */
  constructor(name, ports, first) {
    this.#name = name
    this.#ports = ports
    this.#at = first
  }

  /** Resolves with the first welcome. */
  arrive() {
    const arrival = new Promise((resolve) => (this.#arrived = resolve))
    this.#connect()
    return arrival
  }

  leave() {
    this.#isLeaving = true
    this.#socket.terminate()
  }

  #connect() {
    const query = this.#session === undefined ? '' : `?${stringify({ session: this.#session, cursor: this.#cursor })}`
    const url = `ws://127.0.0.1:${this.#ports[this.#at]}/ws/${this.#name}${query}`
    this.#hintMs = undefined
    this.#socket = new WebSocket(url, 'lastcall.v1', { perMessageDeflate: false })
    this.#socket.on('error', () => undefined)
    this.#socket.on('message', (data) => {
      const text = data.toString()
      // Presence is most of what it receives.
      if (!text.startsWith('{"type":"presence"')) this.#hear(JSON.parse(text))
    })
    this.#socket.on('close', (code) => this.#closed(code))
  }

  #hear(message) {
    const { type } = message
    if (type === 'welcome') {
      this.#session = message.session
      this.#cursor = message.cursor
      this.recovered.push(message.recovered)
      if (this.closedAt !== undefined) this.returnedAt ??= performance.now()
      this.#arrived()
    } else if (type === 'message') {
      this.heard.push(message.data)
      if (this.closedAt !== undefined && message.data.startsWith('old')) this.hasHeardOld = true
    } else if (type === 'closing') this.#hintMs = message.returnInMs
    else if (type === 'rejected') {
      this.rejections++
      this.#hintMs = message.retryInMs
    }
  }

  #closed(code) {
    if (this.#isLeaving) return
    if (this.closedAt === undefined) {
      this.closedAt = performance.now()
      this.isUnannounced = code !== 4010 || this.#hintMs === undefined
      this.#at = (this.#at + 1) % this.#ports.length
    } else if (code === 4009 && this.#hintMs === undefined) {
      this.isRejected = true
      return
    }
    setTimeout(() => this.#connect(), this.#hintMs ?? PAUSE_MS)
  }
}
