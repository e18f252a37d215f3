/**
 * One link as the state machine knows it: whether it was let in, how far it has heard, whether it is alive, what its
 * server is about to do. A link is one connection, from the first attempt to its end; what it is for, core.ts decides.
 */
import type { ServerMessage, WelcomeMessage } from './messages.js'
import { Slot } from './slot.js'

/** A connection that lasted so long was a good one. */
const STABLE_AFTER_MS = 5000

export class LinkState {
  /** What let it in. */
  welcome: WelcomeMessage | undefined
  /** It has been told everything up to here, or sets out from here; the client may have heard more from another link. */
  offset: number
  /** It was let in and is as far as the journal. If not, acks may still come of what was said before, until a `pong`. */
  isCaughtUp = false
  /** When the client is to leave it. */
  readonly slot = new Slot()
  /** When it has taken too long to get to where it is to get. */
  byMs: number
  /** The server has asked not to be told anything before; 0: it has not. */
  sayAtMs = 0
  /** When the last `ping` was sent. */
  pingedAtMs = 0
  #welcomedAtMs = Infinity
  #heartbeatMs = 0
  /** When a `ping` is due; until when something must be heard after it. */
  #pingAtMs = Infinity
  #hearByMs = Infinity

  constructor(byMs: number, offset: number) {
    this.byMs = byMs
    this.offset = offset
  }

  get wakeAtMs(): number {
    return Math.min(this.byMs, this.#pingAtMs, this.#hearByMs, this.sayAtMs || Infinity, this.slot.atMs)
  }

  /** Whether it has taken too long, or nothing was heard from it after a `ping`. */
  isOverdue(nowMs: number): boolean {
    return nowMs >= this.byMs || nowMs >= this.#hearByMs
  }

  /** Whether it was a good one: the next attempt is a first one again. */
  isStable(nowMs: number): boolean {
    return nowMs - this.#welcomedAtMs >= STABLE_AFTER_MS
  }

  welcomed(welcome: WelcomeMessage, nowMs: number): void {
    this.welcome = welcome
    this.isCaughtUp = true
    this.offset = offsetOf(welcome.cursor)
    this.#welcomedAtMs = nowMs
    this.#heartbeatMs = Math.max(1, welcome.heartbeatSeconds) * 1000
    this.#pingAtMs = nowMs + this.#heartbeatMs
  }

  /** Whether a `ping` is due. */
  isSilent(nowMs: number): boolean {
    return nowMs >= this.#pingAtMs
  }

  /** Whether to send a `ping`: one at a time. Something must be heard within a heartbeat, or within `patienceMs`. */
  ping(nowMs: number, patienceMs = Infinity): boolean {
    const isFirst = this.#hearByMs === Infinity
    if (isFirst) {
      this.pingedAtMs = nowMs
      this.#pingAtMs = Infinity
      this.#hearByMs = nowMs + Math.min(this.#heartbeatMs, patienceMs)
    }
    return isFirst
  }

  heard(message: ServerMessage, nowMs: number): void {
    const aliveUntilMs = nowMs + this.#heartbeatMs
    if (message.type === 'pong') {
      this.#hearByMs = Infinity
      this.isCaughtUp = true
    }
    const isPinging = this.#hearByMs < Infinity
    if (isPinging) this.#hearByMs = aliveUntilMs
    if (!('offset' in message)) return
    this.offset = Math.max(this.offset, message.offset)
    // Other frames don't count: the cursor of a client whom nothing concerns has to move too.
    if (!isPinging) this.#pingAtMs = aliveUntilMs
  }
}

/** That of a cursor. */
export const offsetOf = (cursor: string): number => Number(cursor.slice(cursor.lastIndexOf(':') + 1))
