/**
 * The hooks of an application that embeds the server. It can decide on clients and on messages, and learns which
 * clients have left.
 */
import type { Handshake } from '../connections/front.js'

/** A client that asks for a connection. If the server asks for tokens, the token has been verified. */
export interface ConnectRequest {
  /** The requested clientId. `undefined`: the server will make one up. */
  readonly clientId: string | undefined
  /** The handshake as plain data: the URL, the header fields (with cookies) and the address of the client. */
  readonly request: Handshake
}

/** A message that a client wants to publish in a channel or send to one client. */
export type PublishAttempt = {
  readonly clientId: string
  readonly data: unknown
  readonly id: string | undefined
} & ({ readonly channel: string } | { readonly to: string })

/**
 * `undefined`: the server publishes the message unchanged. `data`: the server publishes this instead. `refuse`: the
 * sender gets an error `forbidden` with this text.
 */
export type PublishDecision = undefined | { readonly data: unknown } | { readonly refuse: string }

export interface DisconnectEvent {
  readonly clientId: string
  /** The close code. 1006: the connection ended without one. */
  readonly code: number
}

/**
 * A hook that throws, rejects, never settles or returns an invalid answer affects at most the connection or the message
 * that it was called for. The server logs the failure with the name of the hook (`hook.failed`) and counts it
 * (`lastcall_dependency_failures_total`).
 */
export interface Hooks {
  /**
   * `true` or `undefined` lets the client connect, `false` rejects it with 1008. After a failure, or after
   * HANDSHAKE_TIMEOUT without an answer, the server rejects the client with 1013, and the client tries again later.
   */
  onConnect?(request: ConnectRequest): boolean | undefined | Promise<boolean | undefined>
  /**
   * The server calls it for each message, in the client's order, before it appends the message to the journal. While a
   * promise is pending, the server reads nothing more from this client. After a failure, or after 10 s without an
   * answer, the server refuses the message with an error `internal`.
   */
  onMessage?(attempt: PublishAttempt): PublishDecision | Promise<PublishDecision>
  /**
   * The server calls it once for each client that has left. A takeover is not a leave. The server does not wait for the
   * promise.
   */
  onDisconnect?(event: DisconnectEvent): void | Promise<void>
}
