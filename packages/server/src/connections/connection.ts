/**
 * One client's connection: which client it is, whether it is alive, and how the server closes it. What the hub and the
 * session keep about it is held here without being known: see hub/subscriber.ts and sessions/session-state.ts.
 */
import { TEXTS, type Locale } from '@lastcall/protocol'
import type { Close, ServerClose } from './closes.js'
import type { Transport } from './transport.js'

export interface ConnectionIdentity {
  readonly clientId: string
  readonly connectionId: string
  /** What proves to a later connection that it is the same client. */
  readonly session: string
  /** The server verified a token for this clientId. */
  readonly hasToken: boolean
  /** The client came from another instance, and has proved that it is the same client. */
  readonly isMoving: boolean
  /** How far this instance had read the journal when it admitted the client: an offset. */
  readonly admittedAt: number
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

/** What the hub keeps about a connection, as far as others need it. */
export interface ConnectionDelivery {
  /** Messages that were taken from the client and have not come back from the journal. */
  readonly unacked: number
  /** Calls back once the client has its acks and everything else that is due to it, or has left. */
  onceFlushed(callback: () => void): void
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
  /** The hub's. `undefined`: the connection has not joined. */
  delivery: ConnectionDelivery | undefined
  /** Set by the session. `undefined`: the messages of this connection are not read. */
  session: object | undefined
  /** Which of the sweep's ticks pings it. */
  readonly heartbeatSlot: number

  /** The start of this connection's slot, by the monotonic clock; `undefined` without a drain. Only the shutdown sets it. */
  leaveAtMs: number | undefined
  /** Its client has been let in by another instance: should this connection end, the client has not left. */
  isElsewhere = false

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

  get unacked(): number {
    return this.delivery?.unacked ?? 0
  }

  /** Calls back once everything that is due to the client has been written, or the connection has left. */
  onceFlushed(callback: () => void): void {
    if (this.delivery) this.delivery.onceFlushed(callback)
    else callback()
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
