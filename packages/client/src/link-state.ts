/**
 * One link as the state machine knows it: whether the server let it in, how far it has received, whether it is alive,
 * what its server is about to do. A link is one connection, from the first attempt to its end; core.ts decides what it
 * is used for.
 */
import type { ServerMessage, WelcomeMessage } from './messages.js'
import { positionAt } from './position.js'
import { Slot } from './slot.js'

/** A connection that lasted this long counts as a good one. */
const STABLE_AFTER_MS = 5000

export class LinkState {
  /** The frame that let it in. */
  welcome: WelcomeMessage | undefined
  /** It has received everything up to here, or begins here. The client may have received more on another link. */
  offset: number
  /** The server let it in and has sent all that the journal had. If not, acks of earlier messages may precede a `pong`. */
  isCaughtUp = false
  /** When the client is to leave it. */
  readonly slot = new Slot()
  /** When it is given up unless the server has let it in, or it has caught up. */
  deadlineMs: number
  /** The server asked not to be sent anything before; 0: it did not. */
  sendNotBeforeMs = 0
  /** The server asked the client to return so many milliseconds after the end of this connection. */
  returnInMs: number | undefined
  /** When the last `ping` was sent. */
  pingedAtMs = 0
  #welcomedAtMs = Infinity
  #heartbeatMs = 0
  /** When a `ping` is due; until when something must arrive after it. */
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

  /** Whether it has taken too long, or nothing arrived after a `ping`. */
  isOverdue(nowMs: number): boolean {
    return nowMs >= this.deadlineMs || nowMs >= this.#pongDeadlineMs
  }

  /** Whether it lasted: the next attempt counts as the first one again. */
  isStable(nowMs: number): boolean {
    return nowMs - this.#welcomedAtMs >= STABLE_AFTER_MS
  }

  welcomed(welcome: WelcomeMessage, nowMs: number): void {
    this.welcome = welcome
    this.isCaughtUp = true
    // A cursor that tells no offset: the link begins where its handshake asked it to, or the client counts anew.
    this.offset = positionAt(welcome.cursor, welcome.recovered ? this.offset : 0).offset
    this.#welcomedAtMs = nowMs
    this.#heartbeatMs = Math.max(1, welcome.heartbeatSeconds) * 1000
    this.#pingAtMs = nowMs + this.#heartbeatMs
  }

  /** Whether a `ping` is due. */
  isSilent(nowMs: number): boolean {
    return nowMs >= this.#pingAtMs
  }

  /** Whether to send a `ping`: one at a time. Something must arrive within a heartbeat, or within `patienceMs`. */
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
    // Frames without an offset do not put off the ping: the cursor of a client that no entry concerns has to move, too.
    if (!isPinging) this.#pingAtMs = aliveUntilMs
  }
}
