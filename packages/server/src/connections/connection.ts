/**
 * One client's connection: who it is, how far it has got, what it is owed. It can be sent to and closed; what its
 * messages mean is message-handler.ts's business, what it gets of the journal is the hub's.
 */
import { TEXTS, type Locale } from '@lastcall/protocol'
import type { Audience } from '../hub/audience.js'
import type { CatchUp } from '../hub/catch-up-chunks.js'
import type { TokenBucket } from '../sessions/rate-limit.js'
import type { Close, ServerClose } from './closes.js'
import type { Transport } from './transport.js'

export interface ConnectionIdentity {
  readonly clientId: string
  readonly connectionId: string
  /** What proves to a later connection that it is the same client. */
  readonly session: string
  readonly locale: Locale
  /** Speaks `lastcall.v1`: every text must be a message of the protocol. */
  readonly strict: boolean
  /** When its token ends, in milliseconds since 1970; `Infinity` without one. */
  readonly expiresAtMs: number
  /** Patterns of the channels it may use; `undefined`: all. */
  readonly allowedChannels: readonly string[] | undefined
  /** The IP address of the client, for the log; `undefined` where addresses are not logged. */
  readonly address?: string | undefined
}

export class Connection {
  readonly identity: ConnectionIdentity
  readonly transport: Transport
  /** When it was let in, by the monotonic clock. */
  readonly connectedAtMs: number
  /** When it last said something, by the monotonic clock: quiet clients move first. */
  lastHeardAtMs: number
  /** Whether it gave a sign of life since the last ping. */
  isAlive = true
  /** Set when the server has begun to close it: nothing more is taken from it. */
  serverClose: ServerClose | undefined
  /** Messages that were taken and have not come back from the journal. */
  unacked = 0
  /** The ids of the messages that were not taken for now: who names one in `after` isn't taken either. */
  refusedIds: Set<string> | undefined
  /** Wrong messages in a row. */
  wrongInARow = 0
  bucket: TokenBucket | undefined
  /** Which of the sweep's ticks pings it. */
  readonly heartbeatSlot: number

  /** When it is its turn to move on, by the monotonic clock; `undefined` while nobody has to. The shutdown's to set. */
  leaveAtMs: number | undefined
  /** Its client has been let in by another instance: should this connection end, the client has not left. */
  isElsewhere = false
  /** Whom it hears with; `undefined` before it joined the hub and after it left. The hub's to set. */
  audience: Audience<Connection> | undefined
  /** Where it stands while it is behind; `undefined` while it is live. The hub's to set. */
  catchUp: CatchUp | undefined
  /** Waits until it has everything it is owed. The hub's to call. */
  onceFlushed: (() => void) | undefined

  constructor(identity: ConnectionIdentity, transport: Transport, nowMs: number, heartbeatSlot = 0) {
    this.identity = identity
    this.transport = transport
    this.connectedAtMs = nowMs
    this.lastHeardAtMs = nowMs
    this.heartbeatSlot = heartbeatSlot
  }

  get clientId(): string {
    return this.identity.clientId
  }

  get locale(): Locale {
    return this.identity.locale
  }

  /** Sends one frame now, outside the journal's stream. */
  send(frame: Buffer): void {
    this.transport.write(frame)
  }

  /** Polite: what is queued is sent first. The first reason counts. */
  close({ why, code, reason }: Close): void {
    this.serverClose ??= why
    this.transport.close(code, TEXTS[this.locale].reasons[reason])
  }

  terminate(why: ServerClose): void {
    this.serverClose ??= why
    this.transport.terminate()
  }
}
