/**
 * What an application that embeds the server may have a say in: who comes in, what is said, who has gone.
 */
import type { IncomingMessage } from 'node:http'

/** Somebody at the door. The token, where one is asked for, has been checked by then. */
export interface ConnectRequest {
  /** What was asked for; `undefined`: the server will make one up. */
  readonly clientId: string | undefined
  /** The handshake: headers, cookies, address. */
  readonly request: IncomingMessage
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

export interface Hooks {
  /** `false` turns the request away (1008). A rejection or a throw does too, and is logged. */
  onConnect?(request: ConnectRequest): boolean | undefined | Promise<boolean | undefined>
  /**
   * Called for each message before it goes into the journal, in the client's order: while a promise is pending, nothing
   * more is read from this client. A throw refuses the message with an error `internal` and is logged.
   */
  onMessage?(attempt: PublishAttempt): PublishDecision | Promise<PublishDecision>
  /** Called once for each client that has left; not for a takeover, for it has not. A throw is logged. */
  onDisconnect?(event: DisconnectEvent): void
}
