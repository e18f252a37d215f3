/**
 * The messages of the server: one JSON object per text frame. Clients ignore unknown types and fields, so a later version may
 * only add some.
 */
import type { ErrorCode } from './error-codes.js'

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }

/** The first frame of every accepted connection. */
export interface WelcomeMessage {
  readonly type: 'welcome'
  readonly clientId: string
  readonly connectionId: string
  /** The client sends it as `?session=` in a later handshake, to prove that it is the same client. A secret of this client. */
  readonly session: string
  /** The cursor at which this connection begins: its entries follow that position. */
  readonly cursor: string
  /**
   * `true`: the server replays everything that the client missed. `false`: it has evicted some of it. `null`: the handshake had
   * no cursor.
   */
  readonly recovered: boolean | null
  readonly channels: readonly string[]
  /** The instance that serves this connection. */
  readonly node: string
  /** The build of that instance. A client that leaves it sends this value as `avoid`. */
  readonly build: string
  /** The number of clients that are connected to all instances. */
  readonly active: number
  /** The clients in the channels at `cursor`, this client included. Absent while PRESENCE_INTERVAL is 0. */
  readonly presence?: PresenceSnapshot
  /** The interval of the server's pings, in seconds. The server terminates a connection that has not answered one by the next. */
  readonly heartbeatSeconds: number
  readonly text: string
}

/** The server rejects this client: a close frame follows. Only clients of `lastcall.v1` get it. */
export interface RejectedMessage {
  readonly type: 'rejected'
  /** The code of the close frame. */
  readonly code: number
  /** The reason of the close frame, for people. */
  readonly reason: string
  /** Milliseconds until the client should try again; without it the close code decides. */
  readonly retryInMs?: number
}

/** The server closes this connection after this frame, and requests that the client return at a given time. */
export interface ClosingMessage {
  readonly type: 'closing'
  /** The code of the close frame. */
  readonly code: number
  /** The reason of the close frame, for people. */
  readonly reason: string
  /** Milliseconds after the close at which this client should return. */
  readonly returnInMs: number
}

/** A frame that has a place in the journal. */
interface Placed {
  readonly offset: number
  /** The cursor to resume with after this frame. Without it the cursor is `EPOCH:OFFSET`. This version sends none. */
  readonly cursor?: string
}

/** Another client, or the application, published this to a channel of this connection. */
export interface ChannelMessage extends Placed {
  readonly type: 'message'
  readonly channel: string
  readonly from: string
  readonly data: Json
  readonly id?: string
  /** When the server accepted it: ISO 8601, UTC. */
  readonly at: string
}

/** Another client, or the application, published this to this client alone. */
export interface DirectMessage extends Placed {
  readonly type: 'direct'
  readonly from: string
  readonly data: Json
  readonly id?: string
  readonly at: string
}

/** The journal contains this client's own message, at this offset. */
export interface AckMessage extends Placed {
  readonly type: 'ack'
  readonly id?: string
}

/** The clients that joined and left one channel, over all instances. */
export interface PresenceChange {
  readonly channel: string
  /** At most 50 names; `joinedCount` is the number of clients that joined. */
  readonly joined: readonly string[]
  readonly left: readonly string[]
  readonly joinedCount: number
  readonly leftCount: number
  /** The clients in the channel after the change. */
  readonly count: number
}

/** Clients joined or left channels of this connection; gathered over PRESENCE_INTERVAL. */
export interface PresenceMessage extends Placed {
  readonly type: 'presence'
  /** One for each of this connection's channels that changed. Never empty. */
  readonly changes: readonly PresenceChange[]
  readonly text: string
}

/** The clients in each channel: at most PRESENCE_LIST_LIMIT of them by name, and how many there are. */
export type PresenceSnapshot = Readonly<
  Record<string, { readonly clients: readonly { readonly clientId: string }[]; readonly count: number }>
>

/** Every BROADCAST_INTERVAL seconds, until a shutdown begins. */
export interface PeriodicMessage {
  readonly type: 'periodic'
  readonly at: string
  readonly active: number
  readonly uptimeSeconds: number
  readonly text: string
}

export type ShutdownPhase = 'warning' | 'reminder' | 'closing'

export interface ShutdownMessage {
  readonly type: 'shutdown'
  readonly phase: ShutdownPhase
  /** Milliseconds until the server closes the remaining connections. */
  readonly deadlineInMs: number
  /** Milliseconds until this client's slot; `null`: the client may stay until the deadline. */
  readonly leaveInMs: number | null
  /** Milliseconds after the close at which this client should return; without it the client's own backoff decides. */
  readonly returnInMs?: number
  /** The number of remaining connections. */
  readonly remaining: number
  readonly text: string
}

export interface ShutdownCancelledMessage {
  readonly type: 'shutdownCancelled'
  readonly text: string
}

/** Follows the replay that `since` asked for. */
export interface SubscribedMessage {
  readonly type: 'subscribed'
  /** The request's own. */
  readonly id?: string
  readonly channels: readonly string[]
  readonly cursor: string
  readonly recovered: boolean | null
  /** The clients in these channels, this client included. Absent while PRESENCE_INTERVAL is 0. */
  readonly presence?: PresenceSnapshot
}

export interface UnsubscribedMessage {
  readonly type: 'unsubscribed'
  readonly id?: string
  readonly channels: readonly string[]
  readonly cursor: string
  readonly recovered: null
}

/** The server refused a message, and why. */
export interface ErrorMessage {
  readonly type: 'error'
  readonly code: ErrorCode
  /** For people, in the connection's language. */
  readonly message: string
  /** Whether the server may accept the same message later. */
  readonly temporary: boolean
  readonly id?: string
  readonly retryInMs?: number
  /** The number of messages without an `id` that this error answers; absent: one. */
  readonly count?: number
}

/**
 * The answer to `ping`. It follows all entries for this connection that the journal contained when the ping arrived, so it
 * ends a catch-up; several pings may get one answer.
 */
export interface PongMessage extends Placed {
  readonly type: 'pong'
  /** The server has delivered everything for this connection up to this offset. It advances the cursor like any other offset. */
  readonly offset: number
}

export type ServerMessage =
  | WelcomeMessage
  | RejectedMessage
  | ClosingMessage
  | ChannelMessage
  | DirectMessage
  | AckMessage
  | PresenceMessage
  | PeriodicMessage
  | ShutdownMessage
  | ShutdownCancelledMessage
  | SubscribedMessage
  | UnsubscribedMessage
  | ErrorMessage
  | PongMessage
