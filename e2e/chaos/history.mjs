/**
 * What happened, in order: what clients meant to say and were answered, what each connection was told, what became of the
 * servers. Plain data, so that it can be kept in a file and be checked again. The events are described in history.d.mts.
 */
import { createHash } from 'node:crypto'
import { WebSocket } from 'ws'

/** Events that tell of an entry. */
const TOLD = new Set(['message', 'direct', 'ack', 'presence'])

export class History {
  events = []
  /** The journal as the newest welcome has it, and how far anybody has heard of it. */
  #epoch = ''
  #heads = new Map()
  /** connection → epoch */
  #epochs = new Map()
  /** client → what its newest connection has heard */
  #places = new Map()
  #startMs

  /** @param {number} [startMs] When it began, as `monotonicMs` has it: for one that is put together from several processes. */
  constructor(startMs) {
    this.#startMs = startMs ?? monotonicMs()
    if (startMs === undefined) this.record('begin', { wallMs: Date.now() })
  }

  /** Milliseconds since it began, as in `at`: to the hundredth, so that the parts of several processes can be sorted. */
  now() {
    return Math.round((monotonicMs() - this.#startMs) * 100) / 100
  }

  record(type, fields) {
    this.events.push({ type, at: this.now(), ...fields })
    const { connection, cursor, offset } = fields
    if (type === 'welcome') {
      this.#epoch = cursor.split(':')[0]
      this.#epochs.set(connection, this.#epoch)
    }
    const epoch = this.#epochs.get(connection)
    if (epoch === undefined) return
    if (offset > (this.#heads.get(epoch) ?? 0)) this.#heads.set(epoch, offset)
    this.#move(connection, epoch, offset ?? 0)
  }

  #move(connection, epoch, offset) {
    const client = connection.slice(0, connection.lastIndexOf('#'))
    const place = this.#places.get(client)
    if (place?.connection === connection) place.offset = Math.max(place.offset, offset)
    else this.#places.set(client, { connection, epoch, offset })
  }

  /** The cursor before the first entry of the newest epoch that anybody was told. */
  get beginning() {
    const offsets = this.events
      .filter(({ type, connection }) => TOLD.has(type) && this.#epochs.get(connection) === this.#epoch)
      .map(({ offset }) => offset)
    return offsets.reduce((least, offset) => Math.min(least, offset), this.head.offset + 1) - 1
  }

  /** Whether this client has heard as much as anybody. */
  isAtHead(client) {
    const place = this.#places.get(client)
    return place !== undefined && place.epoch === this.head.epoch && place.offset >= this.head.offset
  }

  /** The newest epoch, and the highest offset in it that anybody was told. */
  get head() {
    return { epoch: this.#epoch, offset: this.#heads.get(this.#epoch) ?? 0 }
  }

  /** Figures for who watches. */
  count(type) {
    return this.events.reduce((count, event) => count + (event.type === type ? 1 : 0), 0)
  }
}

/** The same clock in all processes of a machine. */
export const monotonicMs = () => Number(process.hrtime.bigint()) / 1e6

/** What is compared in place of the data. */
export const digestOf = (data) => createHash('sha256').update(JSON.stringify(data)).digest('base64url').slice(0, 12)

/** What one frame tells a connection, as an event; `undefined`: nothing that is checked. */
export function eventOf(message) {
  const { type, id, offset, channel, from } = message
  switch (type) {
    case 'welcome': {
      const { cursor, recovered, channels, node } = message
      return [type, { cursor, recovered, channels, node }]
    }
    case 'message':
      return [type, { channel, from, id, offset, digest: digestOf(message.data), saidAt: message.at }]
    case 'direct':
      return [type, { from, id, offset, digest: digestOf(message.data), saidAt: message.at }]
    case 'presence': {
      return [type, { offset, changes: message.changes }]
    }
    case 'ack':
      return [type, { id, offset }]
    case 'pong':
      return [type, { offset }]
    case 'subscribed':
    case 'unsubscribed': {
      const { channels, cursor, recovered } = message
      return [type, { request: id, channels, cursor, recovered }]
    }
    case 'error':
      return ['refused', { id, code: message.code }]
    default:
      return undefined
  }
}

/** A WebSocket class whose connections write down what they say and are told, until their client has given them up. */
export function recordedSocket(history, client, { onOpen = () => undefined } = {}) {
  let count = 0
  return class RecordedSocket extends WebSocket {
    connection = `${client}#${++count}`
    #isGivenUp = false

    constructor(url, protocol) {
      super(url, protocol, { perMessageDeflate: false })
      const query = new URL(url).searchParams
      const channels = query.get('channels')
      history.record('connect', {
        client,
        connection: this.connection,
        cursor: query.get('cursor') ?? undefined,
        channels: channels ? channels.split(',') : [],
      })
      this.on('message', (data) => this.#take(data.toString()))
      this.on('close', (code) => history.record('closed', { connection: this.connection, code }))
      onOpen(this)
    }

    #take(text) {
      if (this.#isGivenUp) return
      const event = eventOf(JSON.parse(text))
      if (event) history.record(event[0], { connection: this.connection, ...event[1] })
    }

    send(text) {
      const { type, id, channels, since } = JSON.parse(text)
      if (type === 'subscribe' || type === 'unsubscribe') {
        history.record(type, { connection: this.connection, request: id, channels, since })
      } else if (type !== 'ping') history.record('send', { connection: this.connection, id })
      super.send(text)
    }

    /** `ws` itself calls this, too, when it has read the peer's close frame. */
    close(code, reason) {
      this.#giveUp()
      super.close(code, reason)
    }

    terminate() {
      this.#giveUp()
      super.terminate()
    }

    #giveUp() {
      if (this.#isGivenUp) return
      this.#isGivenUp = true
      history.record('given-up', { connection: this.connection })
    }
  }
}
