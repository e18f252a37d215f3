/**
 * One client's connection: its identity, its liveness, and how the server closes it. The states of the hub and of the session
 * are opaque here: see hub/subscriber.ts and sessions/session-state.ts.
 */
import { TEXTS, type Locale } from '@lastcall/protocol'
import type { Close, ServerClose } from './closes.js'
import type { Transport } from './transport.js'

export interface ConnectionIdentity {
  readonly clientId: string
  readonly connectionId: string
  /** The secret with which a later connection proves that it is the same client. */
  readonly session: string
  /** The server verified a token for this clientId. */
  readonly hasToken: boolean
  /** The client came from another instance, and has proved that it is the same client. */
  readonly isMoving: boolean
  /** How far this instance had read the journal when it admitted the client: an offset. */
  readonly admittedAt: number
  readonly locale: Locale
  /** The client chose `lastcall.v1`: every text must be a message of the protocol. */
  readonly strict: boolean
  /** When its token expires, in milliseconds since 1970; `Infinity` without a token. */
  readonly expiresAtMs: number
  /** Patterns of the channels that the client may use; `undefined`: all. */
  readonly allowedChannels: readonly string[] | undefined
  /** The IP address of the client, for the log; `undefined` where addresses are not logged. */
  readonly address?: string | undefined
}

/** The part of the hub's state of a connection that other parts use. */
export interface ConnectionDelivery {
  /** The number of messages that the server accepted from the client and has not read back from the journal. */
  readonly unacked: number
  /** Calls back when the client has its acks and everything else that is due to it, or has left. */
  onceFlushed(callback: () => void): void
}

export class Connection {
  readonly identity: ConnectionIdentity
  readonly transport: Transport
  /** When the server accepted it, by the monotonic clock. */
  readonly connectedAtMs: number
  /** When the client last sent a message, by the monotonic clock: quiet clients migrate first. */
  lastHeardAtMs: number
  /** Whether the peer gave a sign of life since the last ping. */
  isAlive = true
  /** Set when the server has begun to close the connection: it accepts no further message from it. */
  serverClose: ServerClose | undefined
  /** The state that the hub stores. `undefined`: the connection has not joined. */
  delivery: ConnectionDelivery | undefined
  /** The session sets it. `undefined`: the server does not read messages of this connection. */
  session: object | undefined
  /** Which of the sweep's ticks pings it. */
  readonly heartbeatSlot: number

  /** The start of this connection's slot, by the monotonic clock; `undefined` without a drain. Only the shutdown sets it. */
  leaveAtMs: number | undefined
  /** Another instance has accepted its client: the end of this connection is not a leave. */
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

  /** Calls back when everything that is due to the client has been written, or the connection has ended. */
  onceFlushed(callback: () => void): void {
    if (this.delivery) this.delivery.onceFlushed(callback)
    else callback()
  }

  /** Sends one frame now, independently of the entries of the journal. */
  send(frame: Buffer): void {
    this.transport.write(frame)
  }

  /** Closes politely: queued bytes are sent first. The first reason counts. */
  close({ why, code, reason }: Close): void {
    this.serverClose ??= why
    this.transport.close(code, TEXTS[this.locale].reasons[reason])
  }

  terminate(why: ServerClose): void {
    this.serverClose ??= why
    this.transport.terminate()
  }
}
