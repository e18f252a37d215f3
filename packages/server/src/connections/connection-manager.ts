/**
 * The registry of connections, with the methods of the specification, the heartbeats and the closing of connections. Messages
 * of clients go through the hub; this class sends only the messages of this instance itself.
 */
import { CLOSE_CODES, type CloseReason, type Locale, type ServerMessage } from '@lastcall/protocol'
import { systemClock, type Clock } from '../clock.js'
import { localized, type EncodeFrame } from '../frames.js'
import { countIn, Stats } from '../observability/stats.js'
import { systemRandomness } from '../randomness.js'
import { SlicedTasks, type Task } from '../sliced-tasks.js'
import { CLOSES, type Close } from './closes.js'
import { Connection, type ConnectionIdentity } from './connection.js'
import type { Transport } from './transport.js'

/** A message for all connections: the same, or one per language. A string is sent unchanged. */
export type Broadcast = string | ServerMessage | ((locale: Locale) => ServerMessage)

/** Observes the beginning and the end of each connection, after the registry has changed. Must not throw. */
export interface ConnectionObserver {
  /** @param isTakeover The client was connected already: it replaced its connection. */
  onConnect?(connection: Connection, isTakeover: boolean): void
  /** @param code The close code; 1006: the connection ended without a close frame. */
  onDisconnect?(connection: Connection, code: number): void
}

export interface ConnectionManagerOptions {
  /** Seconds between pings; a connection that has not answered by the next one is terminated. Default: 25. */
  readonly heartbeatIntervalSeconds?: number
  /** How long a polite close may take before the server terminates the connection, in seconds. Default: 5. */
  readonly closeTimeoutSeconds?: number
  /** Encodes a text for a transport. Default: its UTF-8 bytes, for transports that frame by themselves. */
  readonly encodeFrame?: EncodeFrame
  readonly clock?: Clock
  readonly stats?: Stats
}

export interface PoliteClose extends Close {
  /** A frame that is sent before the close frame, after everything that was due. */
  readonly lastFrame?: Buffer
}

interface Closing {
  readonly code: number
  /** By the monotonic clock. */
  readonly deadlineMs: number
}

/** RFC 6455 section 7.1.5: a connection that ended without a close frame. */
const ABNORMAL = 1006

/** The longest interval of the sweep, in milliseconds. */
const MAX_TICK_MS = 1000

/** How long broadcasts, closes and the sweep together may hold the event loop at a stretch, in milliseconds. */
const STRETCH_MS = 8

/** The number of connections that are served between two checks of the time. */
const CONNECTIONS_A_PIECE = 64

/** The interval of the check for overdue closes, in milliseconds. */
const OVERDUE_TICK_MS = 100

export class ConnectionManager {
  readonly #clock: Clock
  readonly #stats: Stats
  readonly #closeTimeoutMs: number
  readonly #encodeFrame: EncodeFrame
  readonly #connections = new Map<string, Connection>()
  readonly #observers = new Set<ConnectionObserver>()
  /**
   * The connections that are being closed and have not ended, with their close code and the time at which the server terminates
   * them. Some have left the registry already.
   */
  readonly #closing = new Map<Connection, Closing>()
  #overdueTimer: (() => void) | undefined
  /** Work on many connections, in the order of the calls, over several turns of the event loop. */
  readonly #tasks: SlicedTasks
  #isSweeping = false
  readonly #heartbeatSlots: number
  readonly #stopSweep: () => void
  #tick = 0
  #nextSlot = 0
  #waitingForNone: (() => void)[] = []

  constructor(options: ConnectionManagerOptions = {}) {
    const { heartbeatIntervalSeconds = 25, closeTimeoutSeconds = 5 } = options
    this.#clock = options.clock ?? systemClock
    this.#stats = options.stats ?? new Stats()
    this.#tasks = new SlicedTasks({ clock: this.#clock, stretchMs: STRETCH_MS })
    this.#closeTimeoutMs = closeTimeoutSeconds * 1000
    this.#encodeFrame = options.encodeFrame ?? ((text) => Buffer.from(text))
    // The pings of one interval are spread over its ticks: 10,000 pings at once would delay other work.
    const tickMs = Math.min(MAX_TICK_MS, heartbeatIntervalSeconds * 1000)
    this.#heartbeatSlots = Math.max(1, Math.round((heartbeatIntervalSeconds * 1000) / tickMs))
    this.#stopSweep = this.#clock.every(tickMs, () => this.#sweep())
  }

  /** Adds an observer of every connection that begins or ends. The returned function removes it. */
  observe(observer: ConnectionObserver): () => void {
    this.#observers.add(observer)
    return () => this.#observers.delete(observer)
  }

  // ——— the specification's methods

  /**
   * Adds a connection. The server closes an older one of the same client with 4001. Observers do not hear of its end, because
   * the client did not leave.
   */
  connect(transport: Transport, who: string | ConnectionIdentity): Connection {
    const identity = typeof who === 'string' ? anonymous(who) : who
    const slot = this.#nextSlot++ % this.#heartbeatSlots
    const connection = new Connection(identity, transport, this.#clock.monotonic(), slot)
    const before = this.#connections.get(identity.clientId)
    this.#connections.set(identity.clientId, connection)
    if (before) {
      this.#stats.takeovers++
      this.#close(before, CLOSES.takenOver)
    }
    this.#stats.connects++
    for (const observer of this.#observers) observer.onConnect?.(connection, before !== undefined)
    return connection
  }

  /** Removes a connection that has ended. The registry entry of a connection that replaced it is unchanged. */
  disconnect(who: string | Connection, code: number = CLOSE_CODES.normal): void {
    const connection = typeof who === 'string' ? this.#connections.get(who) : who
    if (!connection) return
    const isCurrent = this.#connections.get(connection.clientId) === connection
    const wasClosing = this.#closing.delete(connection)
    if (!isCurrent && !wasClosing) return
    countIn(this.#stats.ends, code)
    if (isCurrent) {
      this.#connections.delete(connection.clientId)
      for (const observer of this.#observers) observer.onDisconnect?.(connection, code)
    }
    if (this.#connections.size + this.#closing.size > 0) return
    for (const resolve of this.#waitingForNone.splice(0)) resolve()
  }

  /**
   * Releases the name of a connection that the server is closing, because another client connects under it: observers hear of
   * its end now, not when its socket has ended.
   */
  release(clientId: string): void {
    const connection = this.#connections.get(clientId)
    if (!connection) return
    const code = connection.transport.closingCode ?? this.#closing.get(connection)?.code ?? ABNORMAL
    this.#expectEnd(connection, code)
    this.#connections.delete(clientId)
    for (const observer of this.#observers) observer.onDisconnect?.(connection, code)
  }

  /**
   * Sends to all connections of this instance and returns their number. It writes to thousands over several turns of the event
   * loop. Each connection receives broadcasts in their order. Removes connections that have ended.
   */
  broadcast(message: Broadcast): number {
    const frameFor = this.#encoder(message)
    return this.#sendAll((connection) => frameFor(connection.locale))
  }

  /** The same, with a separate message for each connection. */
  broadcastEach(messageFor: (connection: Connection) => ServerMessage): number {
    return this.#sendAll((connection) => this.#encodeFrame(JSON.stringify(messageFor(connection))))
  }

  #sendAll(frameFor: (connection: Connection) => Buffer): number {
    const connections = [...this.#connections.values()]
    const count = connections.filter(({ transport }) => transport.isOpen).length
    this.#forEach(connections, (connection) => {
      if (connection.transport.isOpen) connection.send(frameFor(connection))
      else if (!connection.serverClose) {
        this.#stats.failedBroadcasts++
        this.disconnect(connection, ABNORMAL)
      }
    })
    return count
  }

  /** Calls `action` for each of these connections that still exists at its turn. Few connections are handled at once. */
  #forEach(connections: readonly Connection[], action: (connection: Connection) => void, onEnd?: () => void): void {
    const actIfThere = (connection: Connection): void => {
      if (this.#connections.get(connection.clientId) === connection) action(connection)
    }
    const task = inPieces(connections, actIfThere, onEnd)
    if (connections.length <= CONNECTIONS_A_PIECE && this.#tasks.isIdle) task()
    else this.#tasks.add(task)
  }

  /** Sends to one client of this instance; `false`: it is not connected here. */
  sendPersonalMessage(message: Broadcast, clientId: string): boolean {
    const connection = this.#connections.get(clientId)
    if (!connection?.transport.isOpen) return false
    connection.send(this.#encoder(message)(connection.locale))
    return true
  }

  getActiveCount(): number {
    return this.#connections.size
  }

  /** Closes all connections politely, at once. Resolves when the last one has ended, after CLOSE_TIMEOUT at most. */
  async closeAllConnections(
    code: number = CLOSES.requested.code,
    reason: CloseReason = CLOSES.requested.reason,
  ): Promise<void> {
    this.#forEach([...this.#connections.values()], (connection) =>
      this.#close(connection, { ...CLOSES.requested, code, reason }),
    )
    await this.whenNone()
  }

  // ——— the rest

  get(clientId: string): Connection | undefined {
    return this.#connections.get(clientId)
  }

  /** All connections, live: an iteration may or may not visit one that is added meanwhile. */
  all(): IterableIterator<Connection> {
    return this.#connections.values()
  }

  /** Resolves when no client is connected and every closed socket has ended. */
  whenNone(): Promise<void> {
    if (this.#connections.size + this.#closing.size === 0) return Promise.resolve()
    return new Promise((resolve) => this.#waitingForNone.push(resolve))
  }

  /**
   * Closes a connection politely. The server accepts no further message from it, sends its acks and everything that is due,
   * then the last frame, then the close frame, and reads until the peer's end. After CLOSE_TIMEOUT it terminates the
   * connection.
   */
  closePolitely(connection: Connection, how: PoliteClose): void {
    if (connection.serverClose) return
    this.#close(connection, how)
  }

  #close(connection: Connection, { lastFrame, ...close }: PoliteClose): void {
    connection.serverClose ??= close.why
    this.#expectEnd(connection, close.code)
    connection.onceFlushed(() => {
      if (lastFrame) connection.send(lastFrame)
      connection.close(close)
    })
  }

  /** Expects the socket to end soon; the server terminates it otherwise. */
  #expectEnd(connection: Connection, code: number): void {
    if (this.#closing.has(connection)) return
    this.#closing.set(connection, { code, deadlineMs: this.#clock.monotonic() + this.#closeTimeoutMs })
    this.#overdueTimer ??= this.#clock.every(OVERDUE_TICK_MS, () => this.#endOverdue())
  }

  #endOverdue(): void {
    const now = this.#clock.monotonic()
    const overdue = [...this.#closing].flatMap(([connection, { deadlineMs }]) =>
      now >= deadlineMs ? [connection] : [],
    )
    const terminate = (connection: Connection): void => {
      if (this.#closing.has(connection)) connection.transport.terminate()
    }
    this.#tasks.add(inPieces(overdue, terminate))
    if (this.#closing.size > 0) return
    this.#overdueTimer?.()
    this.#overdueTimer = undefined
  }

  /** Terminates all remaining connections. */
  terminateAll(): void {
    for (const connection of this.#connections.values()) connection.transport.terminate()
    for (const connection of this.#closing.keys()) connection.transport.terminate()
  }

  #encoder(message: Broadcast): (locale: Locale) => Buffer {
    if (typeof message === 'function') return localized(this.#encodeFrame, message)
    const frame = this.#encodeFrame(typeof message === 'string' ? message : JSON.stringify(message))
    return () => frame
  }

  /** Ends the sweep. */
  dispose(): void {
    this.#stopSweep()
    this.#overdueTimer?.()
  }

  #sweep(): void {
    // On a machine that is too slow for one sweep within a tick, each connection waits longer for its ping.
    if (this.#isSweeping) return
    this.#isSweeping = true
    const slot = this.#tick++ % this.#heartbeatSlots
    const now = this.#clock.now()
    const due = [...this.#connections.values()].filter(
      ({ heartbeatSlot, identity }) => heartbeatSlot === slot || identity.expiresAtMs <= now,
    )
    const look = (connection: Connection): void => {
      if (connection.identity.expiresAtMs <= now) this.closePolitely(connection, CLOSES.tokenExpired)
      if (connection.heartbeatSlot === slot) this.#ping(connection)
    }
    this.#forEach(due, look, () => (this.#isSweeping = false))
  }

  #ping(connection: Connection): void {
    // The server does not read the pongs of a paused connection, so their absence means nothing.
    const isPaused = connection.transport.isPaused ?? false
    if (!connection.isAlive && !isPaused) connection.terminate('dead')
    connection.isAlive = isPaused
    connection.transport.ping()
  }
}

const anonymous = (clientId: string): ConnectionIdentity => ({
  clientId,
  connectionId: systemRandomness.uuid(),
  session: '',
  hasToken: false,
  admittedAt: 0,
  isMoving: false,
  locale: 'uk',
  strict: false,
  expiresAtMs: Infinity,
  allowedChannels: undefined,
})

/** A task that calls `action` for each of these connections, 64 in a piece. */
function inPieces(
  connections: readonly Connection[],
  action: (connection: Connection) => void,
  onEnd?: () => void,
): Task {
  let next = 0
  return () => {
    for (const connection of connections.slice(next, (next += CONNECTIONS_A_PIECE))) action(connection)
    if (next < connections.length) return true
    onEnd?.()
    return false
  }
}
