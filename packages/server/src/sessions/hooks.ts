/**
 * What an application that embeds the server may have a say in: who comes in, what is said, who has gone.
 */
import type { Handshake } from '../connections/front.js'

/** Somebody at the door. The token, where one is asked for, has been checked by then. */
export interface ConnectRequest {
  /** What was asked for; `undefined`: the server will make one up. */
  readonly clientId: string | undefined
  /** The handshake as plain data: the URL, the header fields (cookies among them) and the address of the client. */
  readonly request: Handshake
}

/** What a client is about to say, to a channel or to one client. */
export type PublishAttempt = {
  readonly clientId: string
  readonly data: unknown
  readonly id: string | undefined
} & ({ readonly channel: string } | { readonly to: string })

/** `undefined`: as it is. `data`: this instead. `refuse`: the sender gets an error `forbidden` with this text. */
export type PublishDecision = undefined | { readonly data: unknown } | { readonly refuse: string }

export interface DisconnectEvent {
  readonly clientId: string
  /** The close code; 1006: without one. */
  readonly code: number
}

/**
 * Whatever a hook does besides answering (it throws, rejects, never settles, or answers with something else) costs at
 * most the connection or the message that it was asked about. The server logs it with the name of the hook
 * (`hook.failed`) and counts it (`lastcall_dependency_failures_total`).
 */
export interface Hooks {
  /**
   * `true` or `undefined` lets the client connect, `false` rejects it (1008). A failure is neither: the client is rejected
   * with 1013 and tries again later. So is a client whose answer takes longer than HANDSHAKE_TIMEOUT.
   */
  onConnect?(request: ConnectRequest): boolean | undefined | Promise<boolean | undefined>
  /**
   * Called for each message before it goes into the journal, in the client's order: while a promise is pending, nothing
   * more is read from this client. A failure refuses the message with an error `internal`; so does a promise that has
   * not settled after 10 s.
   */
  onMessage?(attempt: PublishAttempt): PublishDecision | Promise<PublishDecision>
  /** Called once for each client that has left; not for a takeover, for it has not. Nobody waits for its promise. */
  onDisconnect?(event: DisconnectEvent): void | Promise<void>
}
