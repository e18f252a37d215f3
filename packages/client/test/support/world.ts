/**
 * A model of the client's world: a server (model-server.ts), a network, and time. The test calls one method per event; the
 * world feeds the state machine and checks the invariants after each event. It has no socket and no timer.
 */
import { expect } from 'vitest'
import { Core } from '../../src/core.js'
import type { Effect, Handshake } from '../../src/effects.js'
import type { ClientError } from '../../src/errors.js'
import type { ClientState, Move, Recovery } from '../../src/events.js'
import { type LinkState } from '../../src/link-state.js'
import type { ChannelMessage, ServerMessage, ShutdownMessage } from '../../src/messages.js'
import {
  hasToWrite,
  ME,
  ModelServer,
  pick,
  type ClientMessage,
  type Connection,
  type Content,
  type Instance,
  type Place,
} from './model-server.js'

const DEADLINE_MS = 60_000

/** The events that the application received. */
interface Seen {
  readonly received: (Place & { readonly message: ChannelMessage })[]
  readonly recoveries: Recovery[]
  readonly states: ClientState[]
  readonly moves: Move[]
  /** The position of each acknowledged message, or the error code of a refused one. */
  readonly settled: Map<string, Place | string>
}

/** The server's answer to the next replacement connection: a close code, or 0 for a `welcome` with `recovered: false`. */
type Reception = number

export class World {
  readonly core: Core
  nowMs = 1
  readonly seen: Seen = { received: [], recoveries: [], states: [], moves: [], settled: new Map() }
  readonly published: string[] = []
  readonly server: ModelServer
  /** All links since the start. */
  readonly links: LinkState[] = []
  /** The open links of the client; `undefined`: the server's side of the link is gone. */
  readonly connections = new Map<LinkState, Connection | undefined>()
  /** Connections that the client closed, and whose frames to the server still arrive. */
  #leftovers: Connection[] = []
  #orphans: Content[][] = []
  /** The instance that accepts the next link. */
  #next = 0
  #receptions: Reception[] = []
  readonly #sentOn = new Map<string, LinkState>()
  /** The subscribed channels, each with the position after which the application must receive every message. */
  readonly wanted = new Map<string, Place | undefined>([['lobby', undefined]])
  #ids = 0

  /** @param isOpaque Whether the server's cursors have a format that the client does not know. */
  constructor(isOpaque = false) {
    this.server = new ModelServer(isOpaque)
    this.core = new Core({ clientId: ME, random: () => 0.5 }, () => `request-${this.#ids++}`)
    this.#input((nowMs) => this.core.start(undefined, nowMs))
  }

  // ——— calls of the application

  /** Publishes to this channel, or to the lobby if the application is not subscribed to the channel. */
  publish(wish: string): void {
    const channel = this.wanted.has(wish) ? wish : 'lobby'
    const id = `m${this.published.length}`
    this.published.push(id)
    const outgoing = {
      id,
      channel,
      to: undefined,
      data: '1',
      resolve: (offset: number) => this.#acked(id, offset),
      reject: (error: ClientError) => this.#settled(id, error.code),
    }
    this.#input((nowMs) => this.core.publish(outgoing, nowMs))
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

  // ——— events of time and the network

  /** The clock advances to the client's next timer. */
  tick(): void {
    if (this.core.wakeAtMs === Infinity) return
    this.nowMs = Math.max(this.nowMs, this.core.wakeAtMs)
    this.#input((nowMs) => this.core.tick(nowMs))
  }

  /** Time passes while the client is suspended. */
  sleep(ms: number): void {
    this.nowMs += ms
  }

  /** A connection breaks and loses all frames in flight. */
  cut(which: number, code = 1006): void {
    const link = this.#linkOf(which)
    if (link === undefined) return
    this.stall(which)
    this.connections.delete(link)
    this.#input((nowMs) => this.core.ended(link, { code, reason: '' }, nowMs))
  }

  /** The newest connection breaks, if the client has another. */
  cutReplacement(): void {
    if (this.connections.size > 1) this.cut(1)
  }

  /** A connection dies without a close event. */
  stall(which: number): void {
    const link = this.#linkOf(which)
    if (link === undefined) return
    const connection = this.connections.get(link)
    if (connection) this.#orphans.push(connection.underWay)
    this.connections.set(link, undefined)
  }

  /** The client reads the next frame of a connection. */
  read(which: number): void {
    const connection = pick(this.#live, which, ({ toClient }) => toClient.length > 0)
    const message = connection?.toClient.shift()
    if (!connection || !message) return
    const { link, given } = connection
    if (message.type === 'close') {
      this.connections.delete(link)
      this.#orphans.push(connection.underWay)
      this.#input((nowMs) => this.core.ended(link, { code: message.code, reason: '' }, nowMs))
      return
    }
    given.push(message)
    this.#give(link, message)
  }

  /** The client reads a frame a second time. */
  repeat(which: number): void {
    const repeatable = this.#live.flatMap(({ link, given }) =>
      given.filter(({ type }) => type === 'message' || type === 'ack').map((message) => ({ link, message })),
    )
    const again = pick(repeatable, which)
    if (again) this.#give(again.link, again.message)
  }

  /** An abandoned link still produces events: a message with a far offset, and its end. */
  haunt(): void {
    const message = { type: 'message', channel: 'lobby', from: 'ghost', data: null, offset: 1_000_000, at: '' } as const
    const ghost = this.links.filter((link) => !this.connections.has(link)).at(-1)
    if (!ghost) return
    this.#input((nowMs) => {
      this.core.received(ghost, message, nowMs)
      this.core.ended(ghost, { code: 4001, reason: '' }, nowMs)
    })
  }

  // ——— events of the server

  /** Another client publishes. */
  other(channel: string): void {
    this.server.append({ from: 'other', channel, id: `o${this.server.journal.length}` })
  }

  /** An instance reads the next entry of the journal. */
  advance(which: number): void {
    const instance = pick(this.server.instances, which, ({ head }) => head < this.server.journal.length)
    if (instance) instance.head++
  }

  /** The journal appends the next message that an open or closed connection has under way. */
  take(which: number): void {
    const content = pick(this.#queues, which)?.shift()
    this.#orphans = this.#orphans.filter(({ length }) => length > 0)
    if (content) this.server.append(content)
  }

  /** The server reads the next frame of a connection. */
  serve(which: number): void {
    const connection = pick(this.#listening, which)
    const message = connection?.toServer.shift()
    if (connection && message) this.server.serve(message, connection)
    for (const { toServer, underWay } of this.#leftovers) if (toServer.length === 0) this.#orphans.push(underWay)
    this.#leftovers = this.#leftovers.filter(({ toServer }) => toServer.length > 0)
  }

  /** The server writes the next frame of a connection's stream. */
  write(which: number): void {
    const connection = pick(this.#live, which, hasToWrite)
    if (connection) this.server.write(connection)
  }

  /** The server restarts and loses all messages under way, and perhaps its journal. */
  restart(isNewJournal: boolean): void {
    while (this.connections.size > 0) this.cut(0)
    this.#orphans = []
    this.#leftovers = []
    if (isNewJournal) this.server.replaceJournal()
  }

  /** The window evicts every entry. By then all frames in flight have arrived. */
  forget(): void {
    if (this.#queues.length > 0 || this.#listening.length > 0) return
    if (this.#live.some(({ toClient }) => toClient.length > 0)) return
    this.server.forget()
    for (const { link, position, replays } of this.#live) {
      if (position + 1 < this.server.first || replays.length > 0)
        this.cut([...this.connections.keys()].indexOf(link), 4008)
    }
  }

  /** An instance starts to drain: it assigns each client a slot and rejects new clients. */
  shutdown(which: number, leaveInMs: number | null): void {
    const instance = pick(this.server.instances, which) as Instance
    instance.isDraining = true
    this.#tell(instance, 'warning', leaveInMs)
  }

  /** A new instance that accepts clients replaces each one that has no client. */
  replace(): void {
    for (const instance of this.server.instances) if (this.#at(instance).length === 0) instance.isDraining = false
  }

  /** All draining instances send a reminder. */
  remind(leaveInMs: number | null): void {
    for (const instance of this.server.instances) if (instance.isDraining) this.#tell(instance, 'reminder', leaveInMs)
  }

  /** The instance that serves the client starts to drain, and the other one accepts clients. */
  deploy(): void {
    const [connection] = this.#live
    this.#next = connection?.instance === this.server.instances[0] ? 1 : 0
    ;(pick(this.server.instances, this.#next) as Instance).isDraining = false
    this.shutdown(1 - this.#next, 0)
  }

  /** Runs without faults until the client has migrated to the other instance. */
  arrive(): void {
    for (let ticks = 0; ticks < 30; ticks++) {
      this.flow(Infinity)
      if (this.#live.length === 1 && this.#live[0]?.instance === pick(this.server.instances, this.#next)) return
      this.tick()
    }
    throw new Error('the client does not migrate')
  }

  /** A draining instance cancels its shutdown. */
  cancel(which: number): void {
    const instance = pick(this.server.instances, which, ({ isDraining }) => isDraining)
    if (!instance) return
    instance.isDraining = false
    for (const connection of this.#at(instance)) connection.toClient.push({ type: 'shutdownCancelled', text: '' })
  }

  /** At the deadline a draining instance closes its connections, with a hint when to return. Earlier frames still arrive. */
  expire(which: number, returnInMs?: number): void {
    const instance = pick(this.server.instances, which, ({ isDraining }) => isDraining)
    if (!instance) return
    this.#tell(instance, 'closing', 0, returnInMs)
    for (const connection of this.#at(instance)) this.server.closePolitely(connection, 1001)
  }

  /** The next link goes to this instance. */
  route(which: number): void {
    this.#next = which
  }

  /** Sets the answer to the next replacement connection. */
  receive(reception: Reception): void {
    this.#receptions.push(reception)
  }

  /** Processes this many frames and entries in flight. */
  flow(steps: number): void {
    while (steps-- > 0 && this.#processNext()) continue
  }

  /** Runs without faults until the world is idle. */
  settle(): void {
    this.#receptions = []
    for (const instance of this.server.instances) instance.isDraining = false
    for (let rounds = 0; rounds < 20_000; rounds++) {
      if (this.core.state === 'closed') return
      if (this.#processNext()) continue
      if (this.core.state === 'open' && this.#isIdle()) return
      this.tick()
    }
    throw new Error('the world does not become idle')
  }

  /** Processes one frame or entry in flight. Returns `false` when there is none. */
  #processNext(): boolean {
    if (this.#listening.length > 0) this.serve(0)
    else if (this.#queues.length > 0) this.take(0)
    else if (this.server.instances.some(({ head }) => head < this.server.journal.length)) this.advance(0)
    else if (this.#live.some(hasToWrite)) this.write(0)
    else if (this.#live.some(({ toClient }) => toClient.length > 0)) this.read(0)
    else return false
    return true
  }

  // ——— inside: the server

  get #live(): Connection[] {
    return [...this.connections.values()].filter((connection) => connection !== undefined)
  }

  /** The connections with frames that the server has not read. */
  get #listening(): Connection[] {
    return [...this.#live, ...this.#leftovers].filter(({ toServer }) => toServer.length > 0)
  }

  /** The messages on their way into the journal, in order. */
  get #queues(): Content[][] {
    const held = [...this.#live, ...this.#leftovers].map(({ underWay }) => underWay)
    return [...this.#orphans, ...held].filter(({ length }) => length > 0)
  }

  #at(instance: Instance): Connection[] {
    return this.#live.filter((connection) => connection.instance === instance && !connection.isClosing)
  }

  #isIdle(): boolean {
    if (this.connections.size > 1 || !this.published.every((id) => this.seen.settled.has(id))) return false
    const [connection] = this.#live
    return connection !== undefined && [...this.wanted.keys()].every((channel) => connection.channels.has(channel))
  }

  #tell(instance: Instance, phase: ShutdownMessage['phase'], leaveInMs: number | null, returnInMs?: number): void {
    const hint = returnInMs === undefined ? {} : { returnInMs }
    const common = { deadlineInMs: DEADLINE_MS, remaining: 1, text: '' }
    const shutdown = { type: 'shutdown', phase, leaveInMs, ...common, ...hint } as const
    for (const connection of this.#at(instance)) connection.toClient.push(shutdown)
  }

  // ——— inside: the client

  get #cursor(): Place | undefined {
    const cursor = this.core.saved?.cursor
    return cursor === undefined ? undefined : this.server.placeOf(cursor)
  }

  #linkOf(which: number): LinkState | undefined {
    return pick([...this.connections.keys()], which)
  }

  #connect(link: LinkState, handshake: Handshake): void {
    const reception = this.connections.size > 0 ? this.#receptions.shift() : undefined
    const instance = pick(this.server.instances, this.#next) as Instance
    const connection = this.server.accept(link, handshake, instance, reception, this.#at(instance))
    this.connections.set(link, connection)
  }

  #give(link: LinkState, message: ServerMessage): void {
    const isReplacement = [...this.connections.keys()][0] !== link
    if (message.type === 'welcome' && message.recovered !== true && !isReplacement) {
      const place = this.server.placeOf(message.cursor)
      for (const channel of this.wanted.keys()) this.wanted.set(channel, place)
    }
    if (message.type === 'subscribed' && message.recovered === false) {
      const offset = this.server.positionOf.get(message.id as string) as number
      for (const channel of message.channels) {
        if (this.wanted.has(channel)) this.wanted.set(channel, { epoch: this.server.epoch, offset })
      }
    }
    this.#input((nowMs) => this.core.received(link, message, nowMs))
  }

  #input(input: (nowMs: number) => void): void {
    input(this.nowMs)
    for (const effect of this.core.effects.queue.splice(0)) this.#carryOut(effect)
  }

  #carryOut(effect: Effect): void {
    switch (effect[0]) {
      case 'connect': {
        const [, link, handshake] = effect
        this.links.push(link)
        this.#connect(link, handshake)
        expect(this.connections.size, 'links at a time').toBeLessThanOrEqual(2)
        break
      }
      case 'disconnect': {
        const [, link] = effect
        expect(this.connections.has(link), 'the link is there').toBe(true)
        const connection = this.connections.get(link)
        this.connections.delete(link)
        if (connection) this.#leftovers.push(connection)
        break
      }
      case 'send': {
        const [, link, text] = effect
        expect(this.connections.has(link), 'the link is there').toBe(true)
        const message = JSON.parse(text) as ClientMessage
        const connection = this.connections.get(link)
        if (!connection) break
        if (message.type === 'message') this.#checkSend(message.id, connection)
        connection.toServer.push(message)
        break
      }
      case 'emit':
        if (effect[1] === 'message') {
          const message = effect[2]
          this.seen.received.push({ message, epoch: this.server.epoch, offset: message.offset })
        }
        if (effect[1] === 'recovered') this.seen.recoveries.push(effect[2])
        if (effect[1] === 'state') this.seen.states.push(effect[2])
        if (effect[1] === 'move') this.seen.moves.push(effect[2])
        break
      case 'lost':
    }
  }

  #acked(id: string, offset: number): void {
    this.#settled(id, { epoch: this.server.epoch, offset })
    expect(this.server.journal[offset - 1]).toMatchObject({ from: ME, id, isRetry: false })
  }

  #settled(id: string, outcome: Place | string): void {
    expect(this.seen.settled.has(id), `${id} settles once`).toBe(false)
    this.seen.settled.set(id, outcome)
  }

  /** The client repeats a message on a later connection only if the catch-up did not bring its ack. */
  #checkSend(id: string, { link, headAtJoin }: Connection): void {
    const before = this.#sentOn.get(id)
    this.#sentOn.set(id, link)
    if (before === undefined || before === link) return
    const offset = this.server.offsetOf(id)
    expect(offset === undefined || offset > headAtJoin, `${id} is sent again too early`).toBe(true)
  }
}
