/**
 * The handover in the process that gives its connections away. Each connection is held until nothing is due, released, and sent
 * with its record. Its answer decides: another process serves it, this one serves it again, or it is lost.
 */
import { pause, type Clock } from '../clock.js'
import type { ConnectionManager } from '../connections/connection-manager.js'
import type { Connection } from '../connections/connection.js'
import { transferableOf, type SocketHandle, type TransferableTransport } from '../connections/transferable.js'
import type { Hub } from '../hub/hub.js'
import type { InstanceAnnouncer } from '../instances/instance-announcer.js'
import { invariant } from '../invariant.js'
import type { Logger } from '../observability/log.js'
import { countIn, type Stats } from '../observability/stats.js'
import type { Adoption } from './adoption.js'
import { canariesOf, quietestFirst } from './order.js'
import { nextPhase, type HandoverEvent, type HandoverOutcome, type HandoverPhase } from './phase.js'
import type { HandoverRecord } from './record.js'
import { snapshotOf } from './snapshot.js'

/** Sends a connection to the process that shall serve it. Never rejects. */
export type SendConnection = (record: HandoverRecord, handle: SocketHandle) => Promise<HandoverOutcome>

export interface HandoverOptions {
  /** The id of this instance. */
  readonly node: string
  readonly connections: ConnectionManager
  readonly hub: Pick<Hub, 'feed' | 'subscriptions'>
  readonly announcer: Pick<InstanceAnnouncer, 'handedOver' | 'lostInHandover'>
  /** Serves a refused connection again. */
  readonly adoption: Pick<Adoption, 'takeBack'>
  readonly clock: Clock
  readonly stats: Stats
  readonly log: Logger
}

/** `busy`: something was due to the connection for too long. `unfit`: it cannot be handed over. */
type Result = HandoverOutcome | 'busy' | 'unfit'

/** How many connections had each result. `unfit` ones are not counted. */
export type HandoverCounts = Record<HandoverOutcome | 'busy', number>

interface Round {
  readonly send: SendConnection
  /** Whether the round must end: a shutdown has begun, for example. */
  readonly isOver: () => boolean
}

/** The number of connections that one process gives away at once. */
const DEPTH = 2

/** How long a connection may be held in the first round, and in the last one, in milliseconds. */
const SHORT_HOLD_MS = 50
const LONG_HOLD_MS = 1000

/** The number of connections that are held at once in the last round: each of them may be slow. */
const LAST_DEPTH = 16

const LOOK_EVERY_MS = 5

/** After so many refusals in a row the others would be refused, too: the next process has no room, for example. */
const MAX_REFUSED_IN_A_ROW = 16

const NONE: HandoverCounts = { taken: 0, refused: 0, superseded: 0, lost: 0, busy: 0 }

export class Handover {
  readonly #options: HandoverOptions
  /** The connections that were refused since the present round began. A later round tries them again. */
  #refused = new WeakSet<Connection>()

  constructor(options: HandoverOptions) {
    this.#options = options
  }

  /** Hands one in twenty connections over, the quietest of each twenty. */
  canaries(round: Round): Promise<HandoverCounts> {
    return this.#handAll(canariesOf(this.#options.connections.all()), round, { depth: DEPTH, holdMs: LONG_HOLD_MS })
  }

  /** Hands all connections over that can be, the quietest client first, and those to which something is due last. */
  async all(round: Round): Promise<HandoverCounts> {
    const { connections } = this.#options
    this.#refused = new WeakSet()
    const first = await this.#handAll(quietestFirst(connections.all()), round, { depth: DEPTH, holdMs: SHORT_HOLD_MS })
    const last = await this.#handAll([...connections.all()], round, { depth: LAST_DEPTH, holdMs: LONG_HOLD_MS })
    return sumOf(first, last)
  }

  async #handAll(
    connections: readonly Connection[],
    { send, isOver }: Round,
    { depth, holdMs }: { depth: number; holdMs: number },
  ): Promise<HandoverCounts> {
    const counts = { ...NONE }
    const left = connections.filter((connection) => !this.#refused.has(connection)).values()
    let refusedInARow = 0
    const work = async (): Promise<void> => {
      for (const connection of left) {
        if (isOver() || refusedInARow >= MAX_REFUSED_IN_A_ROW) return
        const result = await this.#handOver(connection, send, holdMs)
        if (result === 'unfit') continue
        counts[result]++
        if (result === 'busy') continue
        refusedInARow = result === 'refused' ? refusedInARow + 1 : 0
        countIn(this.#options.stats.handovers, result)
      }
    }
    await Promise.all(Array.from({ length: depth }, work))
    return counts
  }

  async #handOver(connection: Connection, send: SendConnection, holdMs: number): Promise<Result> {
    const transport = transferableOf(connection.transport)
    if (!transport || !this.#isFit(connection, transport)) return 'unfit'
    const phase = new Phase()
    phase.move('hold')
    transport.pause('handover')
    const cursor = await this.#settled(connection, transport, holdMs)
    if (cursor === undefined) {
      phase.move('resume')
      transport.resume('handover')
      return this.#isFit(connection, transport) ? 'busy' : 'unfit'
    }
    // From here to the call of `send` the event loop does not turn: nothing can become due in between.
    phase.move('release')
    const { record, handle } = this.#release(connection, transport, cursor)
    const outcome = await send(record, handle)
    const end = phase.move(outcome)
    if (end === 'takenBack') this.#takeBack(connection, record, handle)
    else this.#letGo(connection, handle, end)
    return outcome
  }

  /** Whether the connection may be handed over at some time: it is open, and this process is not about to close it. */
  #isFit(connection: Connection, transport: TransferableTransport): boolean {
    const { connections, hub } = this.#options
    if (connections.get(connection.clientId) !== connection || connection.serverClose) return false
    return hub.feed.isAvailable && transport.transferability !== 'never'
  }

  /** Waits until nothing is due to the connection or from it. Returns its cursor then; `undefined`: that took too long. */
  async #settled(
    connection: Connection,
    transport: TransferableTransport,
    holdMs: number,
  ): Promise<string | undefined> {
    const { hub, clock } = this.#options
    const endMs = clock.monotonic() + holdMs
    for (;;) {
      if (!this.#isFit(connection, transport)) return undefined
      const cursor = hub.subscriptions.settledCursor(connection)
      if (cursor !== undefined && transport.transferability === 'now') return cursor
      if (clock.monotonic() >= endMs) return undefined
      await pause(clock, LOOK_EVERY_MS)
    }
  }

  #release(
    connection: Connection,
    transport: TransferableTransport,
    cursor: string,
  ): { record: HandoverRecord; handle: SocketHandle } {
    const { node, hub, announcer, clock } = this.#options
    const channels = [...(hub.subscriptions.channelsOf(connection) ?? [])]
    const snapshot = snapshotOf(connection, { node, channels, cursor, nowMs: clock.monotonic() })
    const { handle, head } = transport.release()
    // The registry keeps the connection until the answer: its client stays present, and its name taken.
    hub.subscriptions.leave(connection)
    announcer.handedOver(connection.identity, channels)
    return { record: { ...snapshot, head }, handle }
  }

  #letGo(connection: Connection, handle: SocketHandle, end: HandoverPhase): void {
    const { connections, announcer } = this.#options
    // Another process may have this connection: closing the copy of the descriptor here does not end it.
    handle.close()
    if (end === 'taken') {
      connections.handedOver(connection)
      return
    }
    announcer.lostInHandover(connection.identity)
    connections.disconnect(connection, ABNORMAL)
  }

  #takeBack(connection: Connection, record: HandoverRecord, handle: SocketHandle): void {
    const { adoption, announcer, connections, log } = this.#options
    const again = adoption.takeBack(connection, record, handle)
    if (again) this.#refused.add(again)
    else {
      announcer.lostInHandover(connection.identity)
      connections.disconnect(connection, ABNORMAL)
    }
    if (log.enabled('debug')) {
      log.debug('handover', { clientId: connection.clientId }, 'another process refused a connection: it stays here')
    }
  }
}

/** RFC 6455 section 7.1.5: a connection that ended without a close frame. */
const ABNORMAL = 1006

/** The phase of one connection. An impossible step is a defect. */
class Phase {
  #phase: HandoverPhase = 'live'

  move(event: HandoverEvent): HandoverPhase {
    const next = nextPhase(this.#phase, event)
    invariant(next, 'a handover follows its phases')
    this.#phase = next
    return next
  }
}

const sumOf = (a: HandoverCounts, b: HandoverCounts): HandoverCounts => ({
  taken: a.taken + b.taken,
  refused: a.refused + b.refused,
  superseded: a.superseded + b.superseded,
  lost: a.lost + b.lost,
  // The second round tried those of the first one again.
  busy: b.busy,
})
