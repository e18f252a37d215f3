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
  /** `undefined` while it runs. */
  readonly endedAt: string | undefined
  readonly durationSeconds: number
  /** What asked for it: a signal's name, or `request`. */
  readonly why: string
  readonly mode: ShutdownMode
  readonly connectionsAtStart: number
  readonly cameLater: number
  /** Left by themselves, or were closed for a reason of their own: an expired token, abuse, too slow. Not seen since. */
  readonly left: number
  /** Left by themselves, and another instance has let them in: said in the journal. */
  readonly moved: number
  readonly closedInSlot: number
  /** Closed by the server at the deadline, and ended with a proper closing handshake. */
  readonly closedAtDeadline: number
  /** Ended without a closing handshake: reset, vanished, or too slow to take its end. */
  readonly lost: number
  readonly remaining: number
  /** Bytes that were still queued for those that were lost. */
  readonly bytesUnflushed: number
  /** Messages that were taken from connections that ended before their ack. */
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
  #lastLeftAtMs = -Infinity
  #moved = 0
  #closedAtDeadline = 0
  #closedInSlot = 0
  #lost = 0
  #bytesUnflushed = 0
  #messagesUnacked = 0
  #maxEndsPerSecond = 0
  /** Which second, and the ends in it. */
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
      this.#lastLeftAtMs = monotonicMs
    }
    this.#messagesUnacked += connection.unacked
    const second = Math.floor((monotonicMs - this.#startedAtMs) / 1000)
    if (second !== this.#second) [this.#second, this.#endsInSecond] = [second, 0]
    this.#maxEndsPerSecond = Math.max(this.#maxEndsPerSecond, ++this.#endsInSecond)
  }

  /** Another instance has let this client in. One that the server has closed stays closed by it. */
  seenElsewhere(clientId: string): void {
    if (!this.#leftIds.delete(clientId)) return
    this.#left--
    this.#moved++
  }

  /** Whether another instance may still record a client that left, which then counts as moved. */
  get hasUnseen(): boolean {
    return this.#leftIds.size > 0
  }

  /** When the last one left that had not been seen elsewhere before, by the monotonic clock. */
  get lastLeftAtMs(): number {
    return this.#lastLeftAtMs
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
      messagesUnacked: this.#messagesUnacked,
      maxEndsPerSecond: this.#maxEndsPerSecond,
    }
  }
}
