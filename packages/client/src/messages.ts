/**
 * The frames of the server, as far as the client uses them. The client declares them itself, so that the package has no
 * dependency; a test compares them with @lastcall/protocol.
 */

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }

/** The clients in one channel. */
export interface ChannelPresence {
  /** At most 100 by default, those that have been there longest; `count` counts all. */
  readonly clients: readonly { readonly clientId: string }[]
  readonly count: number
}

export interface WelcomeMessage {
  readonly type: 'welcome'
  readonly clientId: string
  readonly session: string
  readonly cursor: string
  readonly recovered: boolean | null
  readonly channels: readonly string[]
  readonly node: string
  /** The build of the server; an older server omits it. */
  readonly build?: string
  /** The number of clients that are connected to all instances; an older server omits it. */
  readonly active?: number
  /** The clients in the channels at `cursor`, by channel. Absent while PRESENCE_INTERVAL is 0. */
  readonly presence?: Readonly<Record<string, ChannelPresence>>
  readonly heartbeatSeconds: number
}

/** The server rejected the client: the close frame follows. */
export interface RejectedMessage {
  readonly type: 'rejected'
  /** The code of the close frame. */
  readonly code: number
  /** For people. */
  readonly reason: string
  /** Milliseconds until the next attempt; without it the close code decides. */
  readonly retryInMs?: number
}

/** The server closes the connection after this frame. */
export interface ClosingMessage {
  readonly type: 'closing'
  /** The code of the close frame. */
  readonly code: number
  /** For people. */
  readonly reason: string
  /** Milliseconds after the close at which this client should return. */
  readonly returnInMs: number
}

/** A frame that has a place in the journal. */
interface Placed {
  /** Its place in the journal: 1, 2, 3 … */
  readonly offset: number
  /** The cursor to resume with after this frame. Without it the cursor is `EPOCH:OFFSET`. */
  readonly cursor?: string
}

/** Another client published this in a channel of this client. */
export interface ChannelMessage extends Placed {
  readonly type: 'message'
  readonly channel: string
  readonly from: string
  readonly data: Json
  /** The id that the sender chose. */
  readonly id?: string
  /** When the server accepted it: ISO 8601, UTC. */
  readonly at: string
}

/** Another client sent this to this client alone. */
export interface DirectMessage extends Placed {
  readonly type: 'direct'
  readonly from: string
  readonly data: Json
  readonly id?: string
  readonly at: string
}

export interface AckMessage extends Placed {
  readonly type: 'ack'
  readonly id?: string
}

/** The clients that joined one channel and those that left it, over all instances. */
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

export interface PresenceMessage extends Placed {
  readonly type: 'presence'
  /** One for each of this client's channels that changed. */
  readonly changes: readonly PresenceChange[]
  /** For people. */
  readonly text: string
}

/** The periodic message of the server. */
export interface PeriodicMessage {
  readonly type: 'periodic'
  readonly at: string
  readonly active: number
  readonly uptimeSeconds: number
  readonly text: string
}

/** The server is shutting down. */
export interface ShutdownMessage {
  readonly type: 'shutdown'
  readonly phase: 'warning' | 'reminder' | 'closing'
  /** Milliseconds until the server closes the remaining connections. */
  readonly deadlineInMs: number
  /** Milliseconds until this client's slot to move to another instance; `null`: it may stay until the deadline. */
  readonly leaveInMs: number | null
  /** Milliseconds after the close at which this client should return; without it the client's own backoff decides. */
  readonly returnInMs?: number
  /** The number of remaining connections. */
  readonly remaining: number
  readonly text: string
}

/** The server has cancelled the shutdown. */
export interface ShutdownCancelledMessage {
  readonly type: 'shutdownCancelled'
  readonly text: string
}

export interface SubscribedMessage {
  readonly type: 'subscribed' | 'unsubscribed'
  readonly id?: string
  readonly channels: readonly string[]
  readonly cursor: string
  readonly recovered: boolean | null
}

/** Why the server refused a frame. A newer server may send codes that this client does not know. */
export type ServerErrorCode =
  | 'bad_message'
  | 'unknown_type'
  | 'too_large'
  | 'rate_limited'
  | 'forbidden'
  | 'not_subscribed'
  | 'journal_unavailable'
  | 'out_of_order'
  | 'shutting_down'
  | 'internal'

export interface ErrorMessage {
  readonly type: 'error'
  readonly code: ServerErrorCode
  readonly message: string
  readonly temporary: boolean
  readonly id?: string
  readonly retryInMs?: number
  /** The number of messages without an `id` that this error answers; absent: one. */
  readonly count?: number
}

export interface PongMessage extends Placed {
  readonly type: 'pong'
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
  | ErrorMessage
  | PongMessage

/** The channel to which every client is subscribed. */
export const LOBBY = 'lobby'

/** The subprotocol of the strict dialect. */
export const SUBPROTOCOL = 'lastcall.v1'
