/**
 * The report of a shutdown: what happened to each connection, counted while the shutdown runs, and one log line at its end.
 * The numbers add up:
 * `connectionsAtStart + cameLater = left + moved + closedInSlot + closedAtDeadline + lost + remaining`.
 */
import type { Connection } from '../connections/connection.js'

/** `wait`: no client is closed before the deadline. `migrate`: each client is closed when its slot ends. */
export type ShutdownMode = 'wait' | 'migrate'

export interface DrainReport {
  /** ISO 8601, UTC. */
  readonly startedAt: string
  /** `undefined` while the shutdown runs. */
  readonly endedAt: string | undefined
  readonly durationSeconds: number
  /** The origin of the shutdown: the name of a signal, or `request`. */
  readonly why: string
  readonly mode: ShutdownMode
  readonly connectionsAtStart: number
  readonly cameLater: number
  /**
   * Clients that left by themselves or were closed for another reason (an expired token, abuse, too slow), and that no other
   * instance has accepted since.
   */
  readonly left: number
  /** Clients that left by themselves and that another instance has accepted, as the journal records. */
  readonly moved: number
  readonly closedInSlot: number
  /** Closed by the server at the deadline, and ended with a complete closing handshake. */
  readonly closedAtDeadline: number
  /** Ended without a closing handshake: reset, vanished, or too slow to receive the close frame. */
  readonly lost: number
  readonly remaining: number
  /** Bytes that were still queued for the lost connections. */
  readonly bytesUnflushed: number
  /**
   * Messages of connections that ended before the ack. Clients that another instance has accepted do not count: that instance
   * acknowledges their messages.
   */
  readonly messagesUnacked: number
  readonly maxEndsPerSecond: number
}

/** The close code of a connection that ended without a closing handshake. */
const ABNORMAL = 1006

export class DrainCounter {
  readonly #why: string
  readonly #mode: ShutdownMode
  readonly #startedAtMs: number
  readonly #startedAt: string
  readonly #atStart: number
  #cameLater = 0
  #left = 0
  /** The names of the clients that left and that no other instance has recorded since. */
  readonly #leftIds = new Set<string>()
  /** The clients that ended before their acks and that no other instance has recorded since, with the number of messages. */
  readonly #unackedOf = new Map<string, number>()
  #lastUnseenAtMs = -Infinity
  #moved = 0
  #closedAtDeadline = 0
  #closedInSlot = 0
  #lost = 0
  #bytesUnflushed = 0
  #maxEndsPerSecond = 0
  /** The present second, and the number of ends in it. */
  #second = -1
  #endsInSecond = 0

  constructor(start: { why: string; mode: ShutdownMode; now: number; monotonicMs: number; connections: number }) {
    this.#why = start.why
    this.#mode = start.mode
    this.#startedAtMs = start.monotonicMs
    this.#startedAt = new Date(start.now).toISOString()
    this.#atStart = start.connections
  }

  came(): void {
    this.#cameLater++
  }

  ended(connection: Connection, code: number, monotonicMs: number): void {
    if (code === ABNORMAL) {
      this.#lost++
      this.#bytesUnflushed += connection.transport.bufferedBytes
    } else if (connection.serverClose === 'slot') this.#closedInSlot++
    else if (connection.serverClose === 'deadline') this.#closedAtDeadline++
    else if (connection.isElsewhere) this.#moved++
    else {
      this.#left++
      this.#leftIds.add(connection.clientId)
      this.#lastUnseenAtMs = monotonicMs
    }
    this.#countUnacked(connection, monotonicMs)
    const second = Math.floor((monotonicMs - this.#startedAtMs) / 1000)
    if (second !== this.#second) [this.#second, this.#endsInSecond] = [second, 0]
    this.#maxEndsPerSecond = Math.max(this.#maxEndsPerSecond, ++this.#endsInSecond)
  }

  #countUnacked({ clientId, unacked, isElsewhere }: Connection, monotonicMs: number): void {
    // A client that migrates closes this connection as soon as the other instance has acknowledged its messages. This instance
    // may read them from the journal later than the other one.
    if (unacked === 0 || isElsewhere) return
    this.#unackedOf.set(clientId, (this.#unackedOf.get(clientId) ?? 0) + unacked)
    this.#lastUnseenAtMs = monotonicMs
  }

  /** Another instance has accepted this client. A client that this server has closed still counts as closed. */
  seenElsewhere(clientId: string): void {
    this.#unackedOf.delete(clientId)
    if (!this.#leftIds.delete(clientId)) return
    this.#left--
    this.#moved++
  }

  /** Whether the report changes if another instance records a client that has ended. */
  get hasUnseen(): boolean {
    return this.#leftIds.size > 0 || this.#unackedOf.size > 0
  }

  /** When the last connection ended whose record elsewhere would change the report, by the monotonic clock. */
  get lastUnseenAtMs(): number {
    return this.#lastUnseenAtMs
  }

  /** The number of connections that have ended so far. */
  get gone(): number {
    return this.#left + this.#moved + this.#closedInSlot + this.#closedAtDeadline + this.#lost
  }

  report(now: number, monotonicMs: number, hasEnded: boolean): DrainReport {
    return {
      startedAt: this.#startedAt,
      endedAt: hasEnded ? new Date(now).toISOString() : undefined,
      durationSeconds: Math.round(monotonicMs - this.#startedAtMs) / 1000,
      why: this.#why,
      mode: this.#mode,
      connectionsAtStart: this.#atStart,
      cameLater: this.#cameLater,
      left: this.#left,
      moved: this.#moved,
      closedInSlot: this.#closedInSlot,
      closedAtDeadline: this.#closedAtDeadline,
      lost: this.#lost,
      remaining: this.#atStart + this.#cameLater - this.gone,
      bytesUnflushed: this.#bytesUnflushed,
      messagesUnacked: [...this.#unackedOf.values()].reduce((sum, count) => sum + count, 0),
      maxEndsPerSecond: this.#maxEndsPerSecond,
    }
  }
}
