/**
 * What the server says, as far as the client uses it. Its own declarations, so that the package needs no other; a test
 * holds them against @lastcall/protocol.
 */

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }

export interface WelcomeMessage {
  readonly type: 'welcome'
  readonly clientId: string
  readonly session: string
  readonly cursor: string
  readonly recovered: boolean | null
  readonly channels: readonly string[]
  readonly node: string
  /** Of the server; an older one does not say it. */
  readonly build?: string
  readonly heartbeatSeconds: number
}

/** Somebody else said something in a channel this client is in. */
export interface ChannelMessage {
  readonly type: 'message'
  readonly channel: string
  readonly from: string
  readonly data: Json
  /** The sender's own id for it. */
  readonly id?: string
  /** Its place in the journal: 1, 2, 3 … */
  readonly offset: number
  /** When the server took it: ISO 8601, UTC. */
  readonly at: string
}

/** Somebody said something to this client alone. */
export interface DirectMessage {
  readonly type: 'direct'
  readonly from: string
  readonly data: Json
  readonly id?: string
  readonly offset: number
  readonly at: string
}

export interface AckMessage {
  readonly type: 'ack'
  readonly id?: string
  readonly offset: number
}

/** Who came to a channel and who left it. */
export interface PresenceMessage {
  readonly type: 'presence'
  readonly channel: string
  /** At most 50 of them; `joinedCount` is how many there were. */
  readonly joined: readonly string[]
  readonly left: readonly string[]
  readonly joinedCount: number
  readonly leftCount: number
  /** Clients in the channel now. */
  readonly active: number
  readonly offset: number
  /** For people. */
  readonly text: string
}

/** A sign of life of the server, every so often. */
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
  /** Milliseconds until whoever is left will be closed. */
  readonly deadlineInMs: number
  /** Milliseconds until this client's turn to move on; `null`: it may stay as long as it likes. */
  readonly leaveInMs: number | null
  /** Connections that are still there. */
  readonly remaining: number
  readonly text: string
}

/** The server goes on after all. */
export interface ShutdownCancelledMessage {
  readonly type: 'shutdownCancelled'
  readonly text: string
}

export interface SubscribedMessage {
  readonly type: 'subscribed' | 'unsubscribed'
  readonly id?: string
  readonly channels: readonly string[]
  readonly recovered: boolean | null
}

/** Why the server did not take something. A newer server may know more. */
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
}

export interface PongMessage {
  readonly type: 'pong'
  readonly offset: number
}

export type ServerMessage =
  | WelcomeMessage
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

/** The channel everybody is in. */
export const LOBBY = 'lobby'

/** Asks for the strict dialect. */
export const SUBPROTOCOL = 'lastcall.v1'
