/**
 * A model of the client's world: a server with its journal, a network, and time. It is told what happens, step by step,
 * feeds the state machine, and checks after each step what must always hold. No socket, no timer.
 */
import { expect } from 'vitest'
import { Core, type CoreOptions, type Effect } from '../../src/core.js'
import type { Recovery } from '../../src/events.js'
import type { ChannelMessage, ErrorMessage, ServerMessage } from '../../src/messages.js'

const ME = 'me'
const HEARTBEAT_SECONDS = 25

/** What the client says, as far as this world uses it. */
type ClientMessage =
  | { readonly type: 'message'; readonly id: string; readonly channel: string; readonly after?: string }
  | { readonly type: 'subscribe'; readonly id: string; readonly channels: readonly string[]; readonly since: string }
  | { readonly type: 'unsubscribe'; readonly id: string; readonly channels: readonly string[] }
  | { readonly type: 'ping' }

interface Entry {
  readonly offset: number
  readonly from: string
  readonly channel: string
  readonly id: string
  /** The same message is kept already: delivered to nobody. */
  readonly isRetry: boolean
}

type Content = Pick<Entry, 'from' | 'channel' | 'id'>

/** A place in a journal. */
interface Place {
  readonly epoch: string
  readonly offset: number
}

interface Replay {
  readonly channels: ReadonlySet<string>
  position: number
  readonly upTo: number
  readonly last: ServerMessage
}

/** The server's side of a link. */
interface Connection {
  readonly link: number
  readonly channels: Set<string>
  position: number
  readonly replays: Replay[]
  pongAt: number | undefined
  refusedId: string | undefined
  /** Taken, on the way into the journal: these are not lost with the connection. */
  readonly underWay: Content[]
}

/** What the application saw. */
interface Seen {
  readonly heard: (Place & { readonly message: ChannelMessage })[]
  readonly recoveries: Recovery[]
  /** Where a message stands, or why it was rejected. */
  readonly settled: Map<string, Place | string>
}

export class World {
  readonly core: Core
  nowMs = 1
  readonly seen: Seen = { heard: [], recoveries: [], settled: new Map() }
  readonly published: string[] = []
  epoch = 'e1'
  journal: Entry[] = []
  /** What is older is not kept. */
  first = 1
  /** The server refuses so many messages for now. */
  refusals = 0
  link = 0
  connection: Connection | undefined
  #orphans: Content[][] = []
  toServer: ClientMessage[] = []
  toClient: ServerMessage[] = []
  #given: ServerMessage[] = []
  readonly #sentOn = new Map<string, number>()
  /** The channels that are subscribed to, and behind which place everything must be heard. */
  readonly wanted = new Map<string, Place | undefined>([['lobby', undefined]])
  /** The journal's head when the client was let in. */
  #headAtJoin = 0
  #positionOf = new Map<string, number>()
  #ids = 0

  constructor(options: Partial<CoreOptions> = {}) {
    this.core = new Core({
      clientId: ME,
      channels: [],
      connectTimeoutMs: 10_000,
      maxQueue: 1000,
      canRenewToken: false,
      minDelayMs: 1000,
      maxDelayMs: 30_000,
      random: () => 0.5,
      newId: () => `request-${this.#ids++}`,
      ...options,
    })
    this.#input((nowMs) => this.core.start(undefined, nowMs))
  }

  // ——— what may happen

  /** Says something; in a channel that is not subscribed to, in the lobby. */
  publish(wish: string): void {
    const channel = this.wanted.has(wish) ? wish : 'lobby'
    const id = `m${this.published.length}`
    this.published.push(id)
    this.#input((nowMs) => this.core.publish({ id, channel, to: undefined, data: '1' }, nowMs))
  }

  subscribe(channel: string): void {
    if (!this.wanted.has(channel)) this.wanted.set(channel, this.#cursor)
    this.#input((nowMs) => this.core.subscribe(channel, nowMs))
  }

  unsubscribe(channel: string): void {
    this.wanted.delete(channel)
    this.#input((nowMs) => this.core.unsubscribe(channel, nowMs))
  }

  wake(): void {
    this.#input((nowMs) => this.core.woken(nowMs))
  }

  close(): void {
    this.#input(() => this.core.close())
  }

  /** Somebody else says something. */
  other(channel: string): void {
    this.#append({ from: 'other', channel, id: `o${this.journal.length}` })
  }

  /** The clock goes to whatever the client waits for. */
  tick(): void {
    if (this.core.wakeAtMs === Infinity) return
    this.nowMs = Math.max(this.nowMs, this.core.wakeAtMs)
    this.#input((nowMs) => this.core.tick(nowMs))
  }

  /** The connection is lost, with all that is on its way. */
  cut(code = 1006): void {
    this.#forgetConnection()
    this.#input((nowMs) => this.core.ended(this.link, code, '', nowMs))
  }

  /** The connection is dead, and nobody is told. */
  stall(): void {
    this.#forgetConnection()
  }

  /** The server is another process; what was under way is lost, and perhaps the journal with it. */
  restart(isNewJournal: boolean): void {
    this.cut()
    this.#orphans = []
    if (!isNewJournal) return
    this.epoch = `e${Number(this.epoch.slice(1)) + 1}`
    this.journal = []
    this.first = 1
  }

  /** The window lets go of what it has: that takes long enough for everything to get to where it is going. */
  forget(): void {
    if (this.toServer.length + this.toClient.length > 0 || this.#orphans.length > 0 || this.connection?.underWay.length)
      return
    this.first = this.journal.length + 1
    const { connection } = this
    if (connection && (connection.position + 1 < this.first || connection.replays.length > 0)) this.cut(4008)
  }

  /** The next message on its way into a journal gets there, of a connection that is or was. */
  take(which: number): void {
    const queues = [...this.#orphans, this.connection?.underWay ?? []].filter((queue) => queue.length > 0)
    const content = queues[which % queues.length]?.shift()
    this.#orphans = this.#orphans.filter(({ length }) => length > 0)
    if (content) this.#append(content)
  }

  /** The server reads the next frame. */
  serve(): void {
    const message = this.toServer.shift()
    if (message && this.connection) this.#serve(message, this.connection)
  }

  /** The server writes the next frame of the stream. */
  write(): void {
    const { connection } = this
    if (!connection) return
    const replay = connection.replays[0]
    if (replay) {
      if (replay.position < replay.upTo) this.#writeEntry(++replay.position, replay.channels)
      else this.toClient.push((connection.replays.shift() as Replay).last)
      return
    }
    if (connection.position < this.journal.length) this.#writeEntry(++connection.position, connection.channels)
    if (connection.pongAt !== undefined && connection.pongAt <= connection.position) {
      this.toClient.push({ type: 'pong', offset: connection.pongAt })
      connection.pongAt = undefined
    }
  }

  /** The client reads the next frame. */
  read(): void {
    const message = this.toClient.shift()
    if (!message) return
    this.#given.push(message)
    this.#give(message)
  }

  /** The client reads something that it has read before. */
  repeat(which: number): void {
    const repeatable = this.#given.filter(({ type }) => type === 'message' || type === 'ack')
    const message = repeatable[which % repeatable.length]
    if (message) this.#give(message)
  }

  /** A link that was given up says something all the same: that there is news from the future, and that it is over. */
  haunt(): void {
    const message = { type: 'message', channel: 'lobby', from: 'ghost', data: null, offset: 1_000_000, at: '' } as const
    this.#input((nowMs) => {
      this.core.received(this.link - 1, message, nowMs)
      this.core.ended(this.link - 1, 4001, '', nowMs)
    })
  }

  /** Nothing bad happens any more, and everything that is due is done. */
  settle(): void {
    for (let rounds = 0; rounds < 10_000; rounds++) {
      if (this.core.state === 'closed') return
      if (this.toServer.length > 0) this.serve()
      else if (this.#orphans.length > 0 || this.connection?.underWay.length) this.take(0)
      else if (this.#hasToWrite()) this.write()
      else if (this.toClient.length > 0) this.read()
      else if (this.core.state === 'open' && this.#isIdle()) return
      else this.tick()
    }
    throw new Error('the world does not come to rest')
  }

  // ——— the server

  #isIdle(): boolean {
    return this.published.every((id) => this.seen.settled.has(id)) && this.#areChannelsReady()
  }

  #areChannelsReady(): boolean {
    const { connection } = this
    return connection !== undefined && [...this.wanted.keys()].every((channel) => connection.channels.has(channel))
  }

  #hasToWrite(): boolean {
    const { connection } = this
    if (!connection) return false
    const { replays, position, pongAt } = connection
    return replays.length > 0 || position < this.journal.length || pongAt !== undefined
  }

  #append(content: Content): void {
    const { from, id } = content
    const isRetry = this.journal.some((entry) => entry.from === from && entry.id === id && entry.offset >= this.first)
    this.journal.push({ ...content, isRetry, offset: this.journal.length + 1 })
  }

  /** Where this message of ours stands, if it is kept. */
  #offsetOf(id: string): number | undefined {
    return this.journal.find((entry) => entry.from === ME && entry.id === id && entry.offset >= this.first)?.offset
  }

  #letIn(link: number, { cursor, channels }: Extract<Effect, { type: 'connect' }>['handshake']): void {
    const head = this.journal.length
    const [epoch, offset] = cursor?.split(':') ?? []
    const isInReach = epoch === this.epoch && Number(offset) + 1 >= this.first && Number(offset) <= head
    const recovered = cursor === undefined ? null : isInReach
    const position = isInReach ? Number(offset) : head
    const joined = new Set(['lobby', ...channels])
    this.#headAtJoin = head
    this.connection = {
      link,
      channels: joined,
      position,
      replays: [],
      pongAt: undefined,
      refusedId: undefined,
      underWay: [],
    }
    this.toClient.push({
      type: 'welcome',
      clientId: ME,
      session: 's',
      cursor: `${this.epoch}:${position}`,
      recovered,
      channels: [...joined],
      node: 'n',
      heartbeatSeconds: HEARTBEAT_SECONDS,
    })
  }

  #serve(message: ClientMessage, connection: Connection): void {
    switch (message.type) {
      case 'ping':
        connection.pongAt = this.journal.length
        if (connection.position >= this.journal.length) this.#pong(connection)
        return
      case 'subscribe': {
        if (this.#refuse(message, connection)) return
        const { position } = connection
        for (const channel of message.channels) connection.channels.add(channel)
        const [epoch, offset] = message.since.split(':') as [string, string]
        const recovered = epoch === this.epoch && Number(offset) + 1 >= this.first && Number(offset) <= position
        this.#positionOf.set(message.id, position)
        const last = { type: 'subscribed', id: message.id, channels: message.channels, recovered } as const
        if (!recovered || Number(offset) === position) this.toClient.push(last)
        else {
          const channels = new Set(message.channels)
          connection.replays.push({ channels, position: Number(offset), upTo: position, last })
        }
        return
      }
      case 'unsubscribe':
        if (this.#refuse(message, connection)) return
        for (const channel of message.channels) connection.channels.delete(channel)
        this.toClient.push({ type: 'unsubscribed', id: message.id, channels: message.channels, recovered: null })
        return
      case 'message': {
        const { id, channel } = message
        if (this.#refuse(message, connection)) return
        if (!connection.channels.has(channel)) {
          this.toClient.push({ type: 'error', code: 'not_subscribed', message: '', temporary: false, id })
          return
        }
        const offset = this.#offsetOf(id)
        if (offset === undefined) connection.underWay.push({ from: ME, channel, id })
        else if (connection.position >= offset) this.toClient.push({ type: 'ack', id, offset })
      }
    }
  }

  #refuse(message: Exclude<ClientMessage, { type: 'ping' }>, connection: Connection): boolean {
    const { id } = message
    const after = message.type === 'message' ? message.after : undefined
    const refusal: Omit<ErrorMessage, 'code'> = { type: 'error', message: '', temporary: true, id }
    if (after !== undefined && after === connection.refusedId) {
      this.toClient.push({ ...refusal, code: 'out_of_order' })
    } else if (this.refusals > 0) {
      this.refusals--
      this.toClient.push({ ...refusal, code: 'rate_limited', retryInMs: 300 })
    } else {
      if (connection.refusedId === id) connection.refusedId = undefined
      return false
    }
    if (message.type === 'message') connection.refusedId = id
    return true
  }

  #pong(connection: Connection): void {
    this.toClient.push({ type: 'pong', offset: this.journal.length })
    connection.pongAt = undefined
  }

  #writeEntry(offset: number, channels: ReadonlySet<string>): void {
    const { from, channel, id } = this.journal[offset - 1] as Entry
    const original = this.journal.find((entry) => entry.from === from && entry.id === id && !entry.isRetry) as Entry
    if (from === ME) {
      if (channels.has(channel) || this.connection?.replays.length === 0) {
        this.toClient.push({ type: 'ack', id, offset: original.offset })
      }
    } else if (channels.has(channel)) {
      this.toClient.push({ type: 'message', channel, from, data: id, id, offset, at: '' })
    }
  }

  #forgetConnection(): void {
    if (this.connection && this.connection.underWay.length > 0) this.#orphans.push(this.connection.underWay)
    this.connection = undefined
    this.toServer = []
    this.toClient = []
    this.#given = []
  }

  // ——— the client

  get #cursor(): Place | undefined {
    const [epoch, offset] = this.core.saved?.cursor.split(':') ?? []
    return epoch === undefined ? undefined : { epoch, offset: Number(offset) }
  }

  #give(message: ServerMessage): void {
    const { link } = this
    if (message.type === 'welcome' && message.recovered !== true) {
      const [epoch, offset] = message.cursor.split(':') as [string, string]
      for (const channel of this.wanted.keys()) this.wanted.set(channel, { epoch, offset: Number(offset) })
    }
    if (message.type === 'subscribed' && message.recovered === false) {
      const offset = this.#positionOf.get(message.id as string) as number
      for (const channel of message.channels) {
        if (this.wanted.has(channel)) this.wanted.set(channel, { epoch: this.epoch, offset })
      }
    }
    this.#input((nowMs) => this.core.received(link, message, nowMs))
  }

  #input(input: (nowMs: number) => void): void {
    input(this.nowMs)
    for (const effect of this.core.takeEffects()) this.#carryOut(effect)
  }

  #carryOut(effect: Effect): void {
    switch (effect.type) {
      case 'connect':
        this.#forgetConnection()
        this.link = effect.link
        this.#letIn(effect.link, effect.handshake)
        break
      case 'disconnect':
        expect(effect.link).toBe(this.link)
        this.#forgetConnection()
        break
      case 'send': {
        expect(effect.link).toBe(this.link)
        const message = JSON.parse(effect.text) as ClientMessage
        if (message.type === 'message') this.#checkSend(message.id, effect.link)
        if (this.connection) this.toServer.push(message)
        break
      }
      case 'acked': {
        const { id, offset } = effect
        this.#settled(id, { epoch: this.epoch, offset })
        expect(this.journal[offset - 1]).toMatchObject({ from: ME, id, isRetry: false })
        break
      }
      case 'rejected':
        this.#settled(effect.id, effect.error.code)
        break
      case 'emit':
        if (effect.event === 'message') {
          const { payload: message } = effect
          this.seen.heard.push({ message, epoch: this.epoch, offset: message.offset })
        }
        if (effect.event === 'recovered') this.seen.recoveries.push(effect.payload)
        break
      case 'lost':
    }
  }

  #settled(id: string, outcome: Place | string): void {
    expect(this.seen.settled.has(id), `${id} settles once`).toBe(false)
    this.seen.settled.set(id, outcome)
  }

  /** What was sent on an earlier connection is sent again only if the catch-up did not hold its ack. */
  #checkSend(id: string, link: number): void {
    const before = this.#sentOn.get(id)
    this.#sentOn.set(id, link)
    if (before === undefined || before === link) return
    const offset = this.#offsetOf(id)
    expect(offset === undefined || offset > this.#headAtJoin, `${id} is sent again too early`).toBe(true)
  }
}
