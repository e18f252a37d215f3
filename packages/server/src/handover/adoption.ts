/**
 * The handover in the process that receives a connection: it checks the record, decides, and continues the connection where the
 * other process has stopped. It also serves a connection again that another process has refused.
 */
import { parseCursor, TEXTS } from '@lastcall/protocol'
import type { Clock } from '../clock.js'
import { CLOSES, type Close } from '../connections/closes.js'
import type { ConnectionManager } from '../connections/connection-manager.js'
import type { Connection } from '../connections/connection.js'
import type { SocketHandle } from '../connections/transferable.js'
import type { IncomingTransport } from '../connections/transport.js'
import type { Hub } from '../hub/hub.js'
import type { ClusterState } from '../instances/cluster-state.js'
import { invariant } from '../invariant.js'
import type { Logger } from '../observability/log.js'
import type { Stats } from '../observability/stats.js'
import type { Continued, SessionSetup } from '../sessions/session-setup.js'
import type { HandoverVerdict } from './phase.js'
import { parseRecord, type HandoverRecord } from './record.js'
import { identityOf } from './snapshot.js'

/** Puts a transport on a socket. `undefined`: the peer has gone. */
export type OpenTransport = (handle: SocketHandle, head: Buffer, isStrict: boolean) => IncomingTransport | undefined

export interface AdoptionOptions {
  readonly connections: Pick<ConnectionManager, 'get' | 'getActiveCount' | 'forget'>
  readonly hub: Pick<Hub, 'feed' | 'subscriptions'>
  readonly cluster: Pick<ClusterState, 'holderElsewhere'>
  readonly sessionSetup: Pick<SessionSetup, 'continue'>
  readonly openTransport: OpenTransport
  /** Whether this instance accepts no client now: it has not begun to serve, or shuts down. */
  readonly isClosed: () => boolean
  /** 0: no limit. */
  readonly maxConnections: number
  /** Whether this instance requires tokens. */
  readonly asksForToken: boolean
  readonly clock: Clock
  readonly stats: Stats
  readonly log: Logger
}

/**
 * How long the adoption waits until this instance has read the journal up to the connection's cursor, in milliseconds. A process
 * that has just started may lag on a busy machine, and a client notices a refusal more than this wait.
 */
const MAX_WAIT_FOR_CURSOR_MS = 5000

export class Adoption {
  readonly #options: AdoptionOptions

  constructor(options: AdoptionOptions) {
    this.#options = options
  }

  /** Continues a connection of another process. After any answer but `taken` this process has no descriptor of it any more. */
  async adopt(given: unknown, handle: SocketHandle): Promise<HandoverVerdict> {
    const { hub, stats, log } = this.#options
    const record = parseRecord(given)
    const cursor = record && parseCursor(record.cursor)
    if (cursor) await hub.feed.waitForCursor(cursor, MAX_WAIT_FOR_CURSOR_MS)
    const reason = record ? this.#refusal(record) : 'the record is of another version'
    if (!record || reason !== undefined) {
      handle.close()
      log.debug('handover', { reason }, 'this process refused a connection')
      return 'refused'
    }
    if (this.#isSuperseded(record)) {
      this.#close(record, handle, CLOSES.takenOver)
      return 'superseded'
    }
    const transport = this.#open(record, handle)
    if (!transport) return 'lost'
    this.#continue(transport, record)
    stats.adoptions++
    return 'taken'
  }

  /**
   * Serves a connection of this process again, because no other process has read from it or written to it.
   *
   * @param before The connection as the registry has it.
   * @returns `undefined`: the connection has ended.
   */
  takeBack(before: Connection, record: HandoverRecord, handle: SocketHandle): Connection | undefined {
    const { connections } = this.#options
    const close = connections.get(before.clientId) === before ? this.#lossOf(record) : CLOSES.takenOver
    if (close) {
      this.#close(record, handle, close)
      return undefined
    }
    const transport = this.#open(record, handle)
    if (!transport) return undefined
    connections.forget(before)
    return this.#continue(transport, record)
  }

  /** How to close a connection that cannot continue at its cursor; `undefined`: it can. */
  #lossOf({ cursor }: HandoverRecord): Close | undefined {
    const { feed } = this.#options.hub
    const position = parseCursor(cursor)
    if (!position || feed.isVoid(position)) return CLOSES.journalReplaced
    return feed.canRecover(position) ? undefined : CLOSES.tooSlow
  }

  /** Why this instance cannot continue the connection; `undefined`: it can. */
  #refusal({ identity, cursor }: HandoverRecord): string | undefined {
    const { connections, hub, isClosed, maxConnections, asksForToken, clock } = this.#options
    const position = parseCursor(cursor)
    if (isClosed()) return 'this process accepts no clients'
    if (!hub.feed.isAvailable) return 'the journal is unavailable'
    if (!position || !hub.feed.canRecover(position)) return 'this process cannot continue at the cursor'
    if (maxConnections > 0 && connections.getActiveCount() >= maxConnections) return 'MAX_CONNECTIONS is reached'
    // The deploy that turns authentication on must not let clients stay that have never shown a token.
    if (asksForToken && identity.expiresAtMs === null) return 'this process requires tokens'
    return identity.expiresAtMs !== null && identity.expiresAtMs <= clock.now() ? 'the token has expired' : undefined
  }

  /** Whether the client has connected again, here or to an instance other than the one that hands it over. */
  #isSuperseded({ node, identity }: HandoverRecord): boolean {
    const { connections, cluster } = this.#options
    if (connections.get(identity.clientId)) return true
    const holder = cluster.holderElsewhere(identity.clientId)
    return holder !== undefined && (holder.node !== node || holder.connectionId !== identity.connectionId)
  }

  #continue(transport: IncomingTransport, record: HandoverRecord): Connection {
    const { sessionSetup, clock } = this.#options
    const cursor = parseCursor(record.cursor)
    invariant(cursor, 'the cursor of a record is valid')
    const now = clock.monotonic()
    const continued: Continued = {
      identity: identityOf(record),
      channels: record.channels,
      cursor,
      session: record.session,
      connectedAtMs: now - record.connectedAgoMs,
      lastHeardAtMs: now - record.heardAgoMs,
      isAlive: record.isAlive,
    }
    const connection = sessionSetup.continue(transport, continued)
    transport.resume('handover')
    return connection
  }

  #close(record: HandoverRecord, handle: SocketHandle, { code, reason }: Close): void {
    this.#open(record, handle)?.close(code, TEXTS[record.identity.locale].reasons[reason])
  }

  #open({ head, identity }: HandoverRecord, handle: SocketHandle): IncomingTransport | undefined {
    return this.#options.openTransport(handle, Buffer.from(head), identity.strict)
  }
}
