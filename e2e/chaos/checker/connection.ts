/**
 * One connection: whether the frames that it received are what the protocol promises to a connection. From the place where it
 * begins up to the place that it reached, it receives every entry for its client once, in the order of the offsets, and no other
 * entry.
 */
import { parseCursor, type Connection, type FrameEvent } from './reading.js'
import type { Report } from './report.js'
import { between, type MessageEntry, type Truth } from './truth.js'

type FrameEventOf<Type extends FrameEvent['type']> = Extract<FrameEvent, { type: Type }>

/** A channel that a connection was subscribed to from one offset, exclusive, to another, inclusive. */
export interface Membership {
  readonly channel: string
  readonly from: number
  readonly to: number
  /** Of the event with which it begins. */
  readonly index: number
}

/** The entries of a channel that a connection asked for by `since`. */
interface Replay {
  readonly channel: string
  readonly from: number
  readonly to: number
  readonly told: ReadonlySet<number>
  readonly frame: FrameEventOf<'subscribed'>
}

/** A replay that the server refused, because it had evicted some of the entries. */
interface RefusedReplay {
  readonly channel: string
  readonly from: number
  readonly to: number
  readonly frame: FrameEventOf<'subscribed'>
}

/** The entries that the servers delivered, acknowledged or replayed on one connection. */
export interface Covered {
  readonly id: string
  /** The cursor of its handshake. */
  readonly given: string | undefined
  readonly welcome: FrameEventOf<'welcome'>
  readonly lastIndex: number
  readonly start: number
  /** The client received everything for it up to this offset. */
  readonly position: number
  readonly memberships: readonly Membership[]
  readonly replays: readonly Replay[]
  readonly losses: readonly RefusedReplay[]
  /** Offsets of entries. */
  readonly told: ReadonlySet<number>
  readonly acked: ReadonlySet<number>
}

/** @returns `undefined` without a welcome. */
export function checkConnection(connection: Connection, truth: Truth, report: Report): Covered | undefined {
  const walk = new Walk(connection, report)
  for (const frame of connection.frames) walk.take(frame)
  return walk.finish(truth)
}

/** A subscription that the server has not answered yet. */
interface Asked {
  readonly channels: readonly string[]
  readonly since: number | undefined
  readonly told: Set<number>
  last: number
}

class Walk {
  readonly #id: string
  readonly #client: string
  readonly #given: string | undefined
  #lastIndex: number
  readonly #report: Report
  #welcome: FrameEventOf<'welcome'> | undefined
  #epoch: string | undefined
  #start = 0
  #position = 0
  readonly #told = new Set<number>()
  readonly #acked = new Set<number>()
  /** channel → where its membership begins, and by which event */
  readonly #in = new Map<string, { readonly from: number; readonly index: number }>()
  readonly #memberships: Membership[] = []
  /** request → what it asked for */
  readonly #asked = new Map<string | undefined, Asked>()
  readonly #replays: Replay[] = []
  readonly #losses: RefusedReplay[] = []
  #isOver = false
  #isGivenUp = false

  constructor({ id, client, connect }: Connection, report: Report) {
    this.#id = id
    this.#client = client
    this.#given = connect.cursor
    this.#lastIndex = connect.index
    this.#report = report
  }

  #bad(kind: string, text: string, frame?: FrameEvent): void {
    this.#report.add(kind, `${this.#id}: ${text}`, frame?.index)
  }

  take(frame: FrameEvent): void {
    // A client that has given a connection up has no use for it, although its end may come later.
    if (!this.#isGivenUp) this.#lastIndex = frame.index
    switch (frame.type) {
      case 'given-up':
        this.#isGivenUp = true
        return
      case 'subscribe':
        this.#subscribe(frame)
        return
      case 'unsubscribe':
      case 'send':
        return
      case 'closed':
        this.#isOver = true
        return
      default:
        this.#receive(frame)
    }
  }

  #receive(frame: Exclude<FrameEvent, { type: 'given-up' | 'subscribe' | 'unsubscribe' | 'send' | 'closed' }>): void {
    const { type } = frame
    if (this.#isOver) this.#bad('after-close', `was told a ${type} after its end`, frame)
    if (type !== 'welcome' && !this.#welcome) {
      this.#bad('before-welcome', `was told a ${type} before its welcome`, frame)
      return
    }
    switch (type) {
      case 'welcome':
        this.#takeWelcome(frame)
        break
      case 'ack':
        this.#takeAck(frame)
        break
      case 'pong':
        this.#position = Math.max(this.#position, frame.offset)
        break
      case 'subscribed':
        this.#takeSubscribed(frame)
        break
      case 'unsubscribed':
        this.#takeUnsubscribed(frame)
        break
      case 'refused':
        this.#asked.delete(frame.id)
        break
      case 'message':
      case 'direct':
      case 'presence':
        this.#takeEntry(frame)
    }
  }

  #takeWelcome(frame: FrameEventOf<'welcome'>): void {
    if (this.#welcome) this.#bad('before-welcome', 'was welcomed twice', frame)
    this.#welcome = frame
    const begin = parseCursor(frame.cursor)
    this.#epoch = begin?.epoch
    this.#start = this.#position = begin?.offset ?? 0
    if (frame.recovered === true && frame.cursor !== this.#given) {
      this.#bad('wrong-start', `asked for ${this.#given} and begins at ${frame.cursor}`, frame)
    }
    for (const channel of frame.channels) this.#in.set(channel, { from: this.#start, index: frame.index })
  }

  #takeEntry(frame: FrameEventOf<'message' | 'direct' | 'presence'>): void {
    const { type, offset } = frame
    const channel = type === 'message' ? frame.channel : undefined
    if (channel !== undefined && !this.#in.has(channel)) {
      const replay = this.#replayOf(channel)
      if (replay) {
        if (offset <= replay.last) this.#bad('repeated', `offset ${offset} again or too late in a replay`, frame)
        replay.last = Math.max(replay.last, offset)
        replay.told.add(offset)
        return
      }
      this.#bad('not-concerned', `was told offset ${offset} of ${channel}, where it is not`, frame)
    }
    if (type !== 'presence' && frame.from === this.#client) {
      this.#bad('not-concerned', `was told its own ${type} at ${offset}`, frame)
    }
    if (this.#told.has(offset)) this.#bad('repeated', `was told offset ${offset} twice`, frame)
    else if (offset <= this.#start) this.#bad('half-served', `offset ${offset}, begins at ${this.#start}`, frame)
    else if (offset <= this.#position) this.#bad('backwards', `offset ${offset} after ${this.#position}`, frame)
    this.#told.add(offset)
    this.#position = Math.max(this.#position, offset)
  }

  #takeAck(frame: FrameEventOf<'ack'>): void {
    const { offset, id } = frame
    const isLate = offset > this.#start && offset <= this.#position && !this.#acked.has(offset)
    if (isLate) this.#bad('backwards', `the ack of ${id} at ${offset} after ${this.#position}`, frame)
    this.#acked.add(offset)
    this.#position = Math.max(this.#position, offset)
  }

  #subscribe({ request, channels, since }: FrameEventOf<'subscribe'>): void {
    const asked = channels.filter((channel) => !this.#in.has(channel))
    const cursor = parseCursor(since)
    // A cursor of another journal has no meaning here: the server said at the welcome that the entries after it are lost.
    const from = cursor && (cursor.epoch === this.#epoch ? cursor.offset : 0)
    this.#asked.set(request, { channels: asked, since: from, told: new Set(), last: from ?? Infinity })
  }

  #replayOf(channel: string): Asked | undefined {
    for (const asked of this.#asked.values()) {
      if (asked.since !== undefined && asked.channels.includes(channel)) return asked
    }
    return undefined
  }

  #takeSubscribed(frame: FrameEventOf<'subscribed'>): void {
    const upTo = parseCursor(frame.cursor)?.offset ?? 0
    const asked = this.#asked.get(frame.request)
    const told = asked?.told ?? new Set<number>()
    this.#asked.delete(frame.request)
    if (upTo < this.#position) this.#bad('backwards', `subscribed at ${upTo} after ${this.#position}`, frame)
    this.#position = Math.max(this.#position, upTo)
    for (const channel of asked?.channels ?? []) {
      const from = asked?.since
      if (frame.recovered === true) this.#replays.push({ channel, from: from ?? upTo, to: upTo, told, frame })
      else if (frame.recovered === false) this.#losses.push({ channel, from: from ?? 0, to: upTo, frame })
      if (!this.#in.has(channel)) this.#in.set(channel, { from: upTo, index: frame.index })
    }
    if (frame.recovered !== true && told.size > 0) {
      this.#bad('half-served', `a replay of ${told.size} entries that was not promised`, frame)
    }
    for (const offset of told) {
      if (offset > upTo) this.#bad('half-served', `a replay up to ${upTo} went on to ${offset}`, frame)
    }
  }

  #takeUnsubscribed(frame: FrameEventOf<'unsubscribed'>): void {
    const upTo = parseCursor(frame.cursor)?.offset ?? 0
    this.#position = Math.max(this.#position, upTo)
    for (const channel of frame.channels) {
      const begin = this.#in.get(channel)
      if (begin) this.#memberships.push({ channel, ...begin, to: upTo })
      this.#in.delete(channel)
    }
  }

  finish(truth: Truth): Covered | undefined {
    if (!this.#welcome) return undefined
    for (const [channel, begin] of this.#in) this.#memberships.push({ channel, ...begin, to: this.#position })
    this.#expectAll(truth)
    const told = new Set(this.#told)
    for (const { told: more } of this.#replays) for (const offset of more) told.add(offset)
    // The client received the entries of an unfinished replay, too.
    for (const { told: more } of this.#asked.values()) for (const offset of more) told.add(offset)
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

  #expectAll(truth: Truth): void {
    const client = this.#client
    const expect = (entries: readonly MessageEntry[], told: ReadonlySet<number>, how = ''): void => {
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

  /** `#takeEntry` has checked the messages of channels; a direct message is for one client alone. */
  #expectConcern(truth: Truth): void {
    for (const offset of this.#told) {
      const entry = truth.entries.get(offset)
      if (entry?.kind === 'direct' && entry.to !== this.#client) {
        this.#bad('not-concerned', `was told at ${offset} what is for ${entry.to}`)
      }
    }
  }
}
