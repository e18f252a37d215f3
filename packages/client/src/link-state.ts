/**
 * The state of one link: whether the server accepted it, how far it has received, whether it is alive, and what its server has
 * announced. A link is one connection, from the first attempt to its end; core.ts decides its use.
 */
import type { ServerMessage, WelcomeMessage } from './messages.js'
import { positionAt } from './position.js'
import { Slot } from './slot.js'

/** A connection that lasted this long, in milliseconds, resets the backoff. */
const STABLE_AFTER_MS = 5000

export class LinkState {
  /** The `welcome` frame. */
  welcome: WelcomeMessage | undefined
  /** The link has received everything up to this offset, or begins here. Another link may have received more. */
  offset: number
  /**
   * The server accepted the link and has replayed everything that the journal contained. Before that, acks of earlier messages
   * may precede a `pong`.
   */
  isCaughtUp = false
  /** The slot at which the client leaves this link. */
  readonly slot = new Slot()
  /** The client gives the link up at this time, unless the server has accepted it, or it has caught up. */
  deadlineMs: number
  /** The server requested no messages before this time; 0: it made no such request. */
  sendNotBeforeMs = 0
  /** The server requested that the client return this many milliseconds after the end of this connection. */
  returnInMs: number | undefined
  /** The time of the last `ping`. */
  pingedAtMs = 0
  #welcomedAtMs = Infinity
  #heartbeatMs = 0
  /** When a `ping` is due, and the time by which a frame must arrive after it. */
  #pingAtMs = Infinity
  #pongDeadlineMs = Infinity

  constructor(deadlineMs: number, offset: number) {
    this.deadlineMs = deadlineMs
    this.offset = offset
  }

  get wakeAtMs(): number {
    return Math.min(
      this.deadlineMs,
      this.#pingAtMs,
      this.#pongDeadlineMs,
      this.sendNotBeforeMs || Infinity,
      this.slot.atMs,
    )
  }

  /** Whether the link exceeded its deadline, or no frame arrived after a `ping`. */
  isOverdue(nowMs: number): boolean {
    return nowMs >= this.deadlineMs || nowMs >= this.#pongDeadlineMs
  }

  /** Whether the connection lasted, so that the next attempt counts as the first one again. */
  isStable(nowMs: number): boolean {
    return nowMs - this.#welcomedAtMs >= STABLE_AFTER_MS
  }

  welcomed(welcome: WelcomeMessage, nowMs: number): void {
    this.welcome = welcome
    this.isCaughtUp = true
    // The cursor contains no offset: the link begins at the position that its handshake named, or the client counts anew.
    this.offset = positionAt(welcome.cursor, welcome.recovered ? this.offset : 0).offset
    this.#welcomedAtMs = nowMs
    this.#heartbeatMs = Math.max(1, welcome.heartbeatSeconds) * 1000
    this.#pingAtMs = nowMs + this.#heartbeatMs
  }

  /** Whether a `ping` is due. */
  isSilent(nowMs: number): boolean {
    return nowMs >= this.#pingAtMs
  }

  /** Whether to send a `ping`; only one is pending at a time. A frame must arrive within a heartbeat, or within `patienceMs`. */
  ping(nowMs: number, patienceMs = Infinity): boolean {
    const isFirst = this.#pongDeadlineMs === Infinity
    if (isFirst) {
      this.pingedAtMs = nowMs
      this.#pingAtMs = Infinity
      this.#pongDeadlineMs = nowMs + Math.min(this.#heartbeatMs, patienceMs)
    }
    return isFirst
  }

  received(message: ServerMessage, nowMs: number): void {
    const aliveUntilMs = nowMs + this.#heartbeatMs
    if (message.type === 'pong') {
      this.#pongDeadlineMs = Infinity
      this.isCaughtUp = true
    }
    const isPinging = this.#pongDeadlineMs < Infinity
    if (isPinging) this.#pongDeadlineMs = aliveUntilMs
    if (!('offset' in message)) return
    this.offset = Math.max(this.offset, message.offset)
    // Frames without an offset do not postpone the ping: the cursor must advance also when no entry concerns the client.
    if (!isPinging) this.#pingAtMs = aliveUntilMs
  }
}
