/**
 * One connection: whether what it was told is what the protocol promises to a connection. From where it begins up to
 * where it got, everything that concerns it, once, in the order of the offsets; nothing else.
 */
import { parseCursor } from './reading.mjs'
import { between } from './truth.mjs'

/**
 * @returns What the connection covers: `undefined` without a welcome, else
 *   `given` (its cursor), `welcome`, `start`, `position` (everything up to it that concerns the client was told),
 *   `lastIndex`, `memberships` [{ channel, from, to, index }], `replays` and `losses` [{ channel, from, to, frame }], `told`
 *   and `acked` (sets of offsets).
 */
export function checkConnection(connection, truth, report) {
  const walk = new Walk(connection, report)
  for (const frame of connection.frames) walk.take(frame)
  return walk.finish(truth)
}

class Walk {
  #id
  #client
  #given
  #lastIndex
  #report
  #welcome
  #epoch
  #start = 0
  #position = 0
  #told = new Set()
  #acked = new Set()
  /** channel → { from, index }: where its membership begins, and by which event */
  #in = new Map()
  #memberships = []
  /** request → { channels, since, told, last } */
  #asked = new Map()
  #replays = []
  #losses = []
  #isOver = false
  #isGivenUp = false

  constructor({ id, client, connect }, report) {
    this.#id = id
    this.#client = client
    this.#given = connect.cursor
    this.#report = report
  }

  #bad(kind, text, frame) {
    this.#report.add(kind, `${this.#id}: ${text}`, frame?.index)
  }

  take(frame) {
    const { type } = frame
    // A client that has given a connection up has no use for it, although its end may come later.
    if (!this.#isGivenUp) this.#lastIndex = frame.index
    if (type === 'given-up') this.#isGivenUp = true
    if (type === 'subscribe') this.#subscribe(frame)
    if (SAID_BY_CLIENT.has(type)) return
    if (type === 'closed') {
      this.#isOver = true
      return
    }
    if (this.#isOver) this.#bad('after-close', `was told a ${type} after its end`, frame)
    if (type === 'welcome') this.#takeWelcome(frame)
    else if (!this.#welcome) this.#bad('before-welcome', `was told a ${type} before its welcome`, frame)
    else if (type === 'ack') this.#takeAck(frame)
    else if (type === 'pong') this.#position = Math.max(this.#position, frame.offset)
    else if (type === 'subscribed') this.#takeSubscribed(frame)
    else if (type === 'unsubscribed') this.#takeUnsubscribed(frame)
    else if (type === 'refused') this.#asked.delete(frame.id)
    else this.#takeEntry(frame)
  }

  #takeWelcome(frame) {
    if (this.#welcome) this.#bad('before-welcome', 'was welcomed twice', frame)
    this.#welcome = frame
    const { epoch, offset: begin = 0 } = parseCursor(frame.cursor) ?? {}
    this.#epoch = epoch
    this.#start = this.#position = begin
    if (frame.recovered === true && frame.cursor !== this.#given) {
      this.#bad('wrong-start', `asked for ${this.#given} and begins at ${frame.cursor}`, frame)
    }
    for (const channel of frame.channels) this.#in.set(channel, { from: begin, index: frame.index })
  }

  #takeEntry(frame) {
    const { type, offset, channel } = frame
    const replay = channel !== undefined && !this.#in.has(channel) ? this.#replayOf(channel) : undefined
    if (replay) {
      if (offset <= replay.last) this.#bad('repeated', `offset ${offset} again or too late in a replay`, frame)
      replay.last = Math.max(replay.last, offset)
      replay.told.add(offset)
      return
    }
    if (channel !== undefined && !this.#in.has(channel)) {
      this.#bad('not-concerned', `was told offset ${offset} of ${channel}, where it is not`, frame)
    }
    if (frame.from === this.#client) {
      this.#bad('not-concerned', `was told its own ${type} at ${offset}`, frame)
    }
    if (this.#told.has(offset)) this.#bad('repeated', `was told offset ${offset} twice`, frame)
    else if (offset <= this.#start) this.#bad('half-served', `offset ${offset}, begins at ${this.#start}`, frame)
    else if (offset <= this.#position) this.#bad('backwards', `offset ${offset} after ${this.#position}`, frame)
    this.#told.add(offset)
    this.#position = Math.max(this.#position, offset)
  }

  #takeAck(frame) {
    const { offset, id } = frame
    const isLate = offset > this.#start && offset <= this.#position && !this.#acked.has(offset)
    if (isLate) this.#bad('backwards', `the ack of ${id} at ${offset} after ${this.#position}`, frame)
    this.#acked.add(offset)
    this.#position = Math.max(this.#position, offset)
  }

  #subscribe({ request, channels, since }) {
    const asked = channels.filter((channel) => !this.#in.has(channel))
    const cursor = parseCursor(since)
    // A cursor of another journal is none: whatever follows it there was told to be lost.
    const from = cursor && (cursor.epoch === this.#epoch ? cursor.offset : 0)
    this.#asked.set(request, { channels: asked, since: from, told: new Set(), last: from ?? Infinity })
  }

  #replayOf(channel) {
    for (const asked of this.#asked.values()) {
      if (asked.since !== undefined && asked.channels.includes(channel)) return asked
    }
    return undefined
  }

  #takeSubscribed(frame) {
    const upTo = parseCursor(frame.cursor)?.offset ?? 0
    const { channels = [], since, told = new Set() } = this.#asked.get(frame.request) ?? {}
    this.#asked.delete(frame.request)
    if (upTo < this.#position) this.#bad('backwards', `subscribed at ${upTo} after ${this.#position}`, frame)
    this.#position = Math.max(this.#position, upTo)
    for (const channel of channels) {
      if (frame.recovered === true) this.#replays.push({ channel, from: since ?? upTo, to: upTo, told, frame })
      else if (frame.recovered === false) this.#losses.push({ channel, from: since ?? 0, to: upTo, frame })
      if (!this.#in.has(channel)) this.#in.set(channel, { from: upTo, index: frame.index })
    }
    if (frame.recovered !== true && told.size > 0) {
      this.#bad('half-served', `a replay of ${told.size} entries that was not promised`, frame)
    }
    for (const offset of told) {
      if (offset > upTo) this.#bad('half-served', `a replay up to ${upTo} went on to ${offset}`, frame)
    }
  }

  #takeUnsubscribed(frame) {
    const upTo = parseCursor(frame.cursor)?.offset ?? 0
    this.#position = Math.max(this.#position, upTo)
    for (const channel of frame.channels) {
      const begin = this.#in.get(channel)
      if (begin) this.#memberships.push({ channel, ...begin, to: upTo })
      this.#in.delete(channel)
    }
  }

  finish(truth) {
    if (!this.#welcome) return undefined
    for (const [channel, begin] of this.#in) this.#memberships.push({ channel, ...begin, to: this.#position })
    this.#expectAll(truth)
    // One that was not finished has shown what it has shown.
    const unfinished = [...this.#asked.values()].map(({ told }) => told)
    const told = new Set(this.#told)
    for (const { told: more } of this.#replays) for (const offset of more) told.add(offset)
    for (const more of unfinished) for (const offset of more) told.add(offset)
    return {
      id: this.#id,
      given: this.#given,
      welcome: this.#welcome,
      lastIndex: this.#lastIndex,
      start: this.#start,
      position: this.#position,
      memberships: this.#memberships,
      replays: this.#replays,
      losses: this.#losses,
      told,
      acked: this.#acked,
    }
  }

  #expectAll(truth) {
    const client = this.#client
    const expect = (entries, told, how = '') => {
      for (const entry of entries) {
        if (entry.from === client) {
          if (!this.#acked.has(entry.offset)) this.#bad('missing', `no ack of ${entry.id} at ${entry.offset}${how}`)
        } else if (!told.has(entry.offset)) {
          this.#bad('missing', `not told offset ${entry.offset}, got from ${this.#start} to ${this.#position}${how}`)
        }
      }
    }
    for (const { channel, from, to } of this.#memberships) {
      const others = between(truth.list(`channel ${channel}`), from, to).filter(({ from }) => from !== client)
      expect(others, this.#told)
    }
    expect(between(truth.list(`to ${client}`), this.#start, this.#position), this.#told)
    expect(between(truth.list(`from ${client}`), this.#start, this.#position), this.#told)
    for (const { channel, from, to, told } of this.#replays) {
      expect(between(truth.list(`channel ${channel}`), from, to), told, ` in a replay of ${from} to ${to}`)
    }
    this.#expectConcern(truth)
  }

  /** What was told of channels has been looked at; a direct message is for one client alone. */
  #expectConcern(truth) {
    for (const offset of this.#told) {
      const entry = truth.entries.get(offset)
      if (entry?.kind === 'direct' && entry.to !== this.#client) {
        this.#bad('not-concerned', `was told at ${offset} what is for ${entry.to}`)
      }
    }
  }
}

const SAID_BY_CLIENT = new Set(['subscribe', 'unsubscribe', 'send', 'given-up'])
