/**
 * What the state machine (core.ts) wants to be done: by sockets, by promises, by the application. Types only.
 */
import type { ClientError } from './errors.js'
import type { ClientEvents } from './events.js'
import type { LinkState } from './link-state.js'

/** What a handshake says. */
export interface Handshake {
  readonly clientId: string | undefined
  readonly session: string | undefined
  readonly cursor: string | undefined
  readonly channels: readonly string[]
  /** Not on an instance of this build, if there is another: the client is about to leave one. */
  readonly avoid: string | undefined
}

/** What is to be done, and with what. `isDead`: nothing is heard from it, so an answer is not waited for. */
export type Effect =
  | readonly ['connect', link: LinkState, handshake: Handshake]
  | readonly ['send', link: LinkState, text: string]
  | readonly ['disconnect', link: LinkState, code: number, isDead: boolean]
  | readonly ['lost', channel: string, error: ClientError]
  | EmitEffect

export type EmitEffect = {
  [Event in keyof ClientEvents]: readonly ['emit', event: Event, payload: ClientEvents[Event]]
}[keyof ClientEvents]
