/**
 * A client by @lastcall/client, as an application would use it, with everything written down that goes in and comes out,
 * above it and below it.
 */
import { connect } from '@lastcall/client'
import { digestOf } from './history.js'
import { recordedSocket } from './recorded-socket.js'

export class LibraryClient {
  #options
  #client
  #socket
  #subscriptions = new Map()
  #open = new Set()
  #count = 0

  /** @param {object} options As those of PlainClient. */
  constructor(options) {
    this.#options = { token: undefined, ...options }
    this.name = options.name
    this.speaksIn = options.speaksIn
    this.toggles = options.toggles
    options.history.record({ type: 'client', client: this.name, kind: 'library' })
  }

  start() {
    const { name, history, endpoint, channels, random, patienceMs, token } = this.#options
    const jitter = random.fork('jitter')
    const client = connect(endpoint(), {
      clientId: name,
      channels,
      webSocket: recordedSocket(history, name, { onOpen: (socket) => (this.#socket = socket) }),
      minDelayMs: 100,
      maxDelayMs: 400,
      connectTimeoutMs: patienceMs,
      maxQueue: Infinity,
      random: () => jitter.next(),
      ...(token && { token }),
    })
    this.#client = client
    client.on('presence', ({ offset }) => this.#delivered('presence', offset))
    client.on('message', ({ channel, offset }) => this.#delivered('message', offset, channel))
    client.on('direct', ({ offset }) => this.#delivered('direct', offset))
    client.on('recovered', ({ recovered, channels: missed }) => {
      this.#told('returned', { recovered })
      if (!recovered) history.record({ type: 'missed', client: name, channels: missed })
    })
    client.on('state', (state) => this.#told('state', { state }))
    client.on('move', ({ from, to }) => this.#told('moved', { from, to }))
    client.on('error', ({ code, message, cause }) => {
      // An attempt that a killed server or a broken network ends is no fault: there is one such error for each.
      if (code !== 'connect_failed' || cause !== undefined) this.#fault(`error ${code}: ${message}`)
    })
    client.on('close', ({ code, reason }) => this.#fault(`closed for good: ${code} ${reason}`))
  }

  #isStopped = false

  stop() {
    this.#isStopped = true
    this.#client.close()
  }

  #told(type, fields) {
    if (!this.#isStopped) this.#options.history.record({ type, client: this.name, ...fields })
  }

  #fault(text) {
    if (!this.#isStopped) this.#options.history.record({ type: 'server', instance: this.name, what: 'fault', text })
  }

  #delivered(kind, offset, channel) {
    this.#options.history.record({ type: 'delivered', client: this.name, kind, offset, channel })
  }

  publish({ channel, to }, data) {
    const { history } = this.#options
    const id = `${this.name}-${++this.#count}`
    history.record({ type: 'publish', client: this.name, id, channel, to, digest: digestOf(data) })
    this.#open.add(id)
    const promise =
      to === undefined ? this.#client.publish(data, { channel, id }) : this.#client.direct(to, data, { id })
    promise
      .then(
        (offset) => history.record({ type: 'settled', client: this.name, id, offset }),
        ({ code }) => history.record({ type: 'rejected', client: this.name, id, code }),
      )
      .finally(() => this.#open.delete(id))
  }

  /** As the network does it: the library has no say in it. */
  leave() {
    const socket = this.#socket
    // Not its own doing, so not written down as that.
    if (socket) socket.breakOff()
  }

  takeOver() {
    // It does not come twice.
  }

  stopReading(forMs) {
    const socket = this.#socket
    if (socket?.readyState !== 1) return
    socket.pause()
    setTimeout(() => socket.resume(), forMs).unref()
  }

  part(channel) {
    const subscription = this.#subscriptions.get(channel)
    if (!subscription) return
    this.#subscriptions.delete(channel)
    this.#options.history.record({ type: 'done-with', client: this.name, channel })
    subscription.unsubscribe()
  }

  join(channel) {
    if (this.#subscriptions.has(channel)) return
    this.#options.history.record({ type: 'wants', client: this.name, channel })
    this.#subscriptions.set(
      channel,
      this.#client.subscribe(channel, () => undefined),
    )
  }

  get absentChannels() {
    return []
  }

  isDone() {
    return this.#client.state === 'open' && this.#open.size === 0
  }

  get report() {
    return `${this.name}: ${this.#client.state}, ${this.#open.size} unanswered`
  }
}
