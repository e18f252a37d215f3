/**
 * What the server says: one JSON object per text frame. Clients ignore types and fields they don't know, so both only
 * ever grow.
 */
import type { ErrorCode } from './error-codes.js'

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }

/** The first frame of every connection that was let in. */
export interface WelcomeMessage {
  readonly type: 'welcome'
  readonly clientId: string
  readonly connectionId: string
  /** Proves to a later connection that it is the same client: `?session=`. A secret of this client. */
  readonly session: string
  /** The cursor at which this connection begins: its stream goes on after it. */
  readonly cursor: string
  /** `true`: everything missed follows. `false`: something was out of reach. `null`: no cursor was given. */
  readonly recovered: boolean | null
  readonly channels: readonly string[]
  /** The instance that serves this connection. */
  readonly node: string
  /** That instance's build: what `avoid` names later, should this one be shut down. */
  readonly build: string
  /** Clients that are connected now, to all instances. */
  readonly active: number
  /** Who is in the channels at `cursor`, this client included. Not there while PRESENCE_INTERVAL is 0. */
  readonly presence?: PresenceSnapshot
  /** The server pings this often, in seconds: a client that answers none by the next one is cut off. */
  readonly heartbeatSeconds: number
  readonly text: string
}

/** The server does not let this connection in: a close frame follows. Only clients of `lastcall.v1` get it. */
export interface RejectedMessage {
  readonly type: 'rejected'
  /** The code of the close frame. */
  readonly code: number
  /** The reason of the close frame, for people. */
  readonly reason: string
  /** Milliseconds until the client should try again; without it the close code decides. */
  readonly retryInMs?: number
}

/** The server closes this connection after this frame, and tells the client when to return. */
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

/** Somebody else said something in a channel this connection is in. */
export interface ChannelMessage extends Placed {
  readonly type: 'message'
  readonly channel: string
  readonly from: string
  readonly data: Json
  readonly id?: string
  /** When the server took it: ISO 8601, UTC. */
  readonly at: string
}

/** Somebody said something to this client alone. */
export interface DirectMessage extends Placed {
  readonly type: 'direct'
  readonly from: string
  readonly data: Json
  readonly id?: string
  readonly at: string
}

/** This client's own message is in the journal, at this offset. */
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
  /** Milliseconds until whoever is left will be closed. */
  readonly deadlineInMs: number
  /** Milliseconds until this client's turn to move on; `null`: stay as long as you like. */
  readonly leaveInMs: number | null
  /** Milliseconds after the close at which this client should return; without it the client's own backoff decides. */
  readonly returnInMs?: number
  /** Connections that are still here. */
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
  /** Who is in these channels, this client included. Not there while PRESENCE_INTERVAL is 0. */
  readonly presence?: PresenceSnapshot
}

export interface UnsubscribedMessage {
  readonly type: 'unsubscribed'
  readonly id?: string
  readonly channels: readonly string[]
  readonly cursor: string
  readonly recovered: null
}

/** The last message was not taken, and why. */
export interface ErrorMessage {
  readonly type: 'error'
  readonly code: ErrorCode
  /** For people, in the connection's language. */
  readonly message: string
  /** Whether the same message may be taken later. */
  readonly temporary: boolean
  readonly id?: string
  readonly retryInMs?: number
  /** How many messages without an `id` this error answers; absent: one. */
  readonly count?: number
}

/**
 * The answer to `ping`. It follows everything that was in the journal when the ping came and concerns this connection, so
 * it ends a catch-up; several pings may get one answer.
 */
export interface PongMessage extends Placed {
  readonly type: 'pong'
  /** Everything up to here that concerns this connection has been said: counts for the cursor as any offset does. */
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
