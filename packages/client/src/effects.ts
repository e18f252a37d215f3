/**
 * The effects that the state machine (core.ts) requests from sockets, promises and the application, in order.
 */
import type { ConnectionDetails } from './connection-details.js'
import type { ClientError } from './errors.js'
import type { ClientEvents, ClientState, EventDetails } from './events.js'
import type { LinkState } from './link-state.js'
import type { WelcomeMessage } from './messages.js'

/** The parameters of a handshake. */
export interface Handshake {
  readonly clientId: string | undefined
  readonly session: string | undefined
  readonly cursor: string | undefined
  readonly channels: readonly string[]
  /** Connect to an instance of another build if there is one: the client is about to leave an instance of this build. */
  readonly avoid: string | undefined
}

/** `isDead`: the peer no longer responds, so the client does not wait for its close frame. */
export type Effect =
  | readonly ['connect', link: LinkState, handshake: Handshake]
  | readonly ['send', link: LinkState, text: string]
  | readonly ['disconnect', link: LinkState, code: number, isDead: boolean]
  | readonly ['lost', channel: string, error: ClientError]
  | EmitEffect

export type EmitEffect = {
  [Event in keyof ClientEvents]: readonly [
    'emit',
    event: Event,
    payload: ClientEvents[Event],
    details: EventDetails<Event>,
  ]
}[keyof ClientEvents]

/** The effects in order. The caller of the state machine removes and carries out each one. */
export class Effects {
  readonly queue: Effect[] = []

  connect(link: LinkState, handshake: Handshake): void {
    this.queue.push(['connect', link, handshake])
  }

  send(link: LinkState, text: string): void {
    this.queue.push(['send', link, text])
  }

  disconnect(link: LinkState, code: number, isDead: boolean): void {
    this.queue.push(['disconnect', link, code, isDead])
  }

  lost(channel: string, error: ClientError): void {
    this.queue.push(['lost', channel, error])
  }

  emit<Event extends Exclude<keyof ClientEvents, 'state'>>(event: Event, payload: ClientEvents[Event]): void {
    this.queue.push(['emit', event, payload, undefined] as unknown as EmitEffect)
  }

  /** The application, which may log the event, does not get the session: it is a secret. */
  emitWelcome({ clientId, node, recovered, active, presence }: WelcomeMessage): void {
    this.emit('welcome', { clientId, node, recovered, active, presence })
  }

  emitState(state: ClientState, details: ConnectionDetails): void {
    this.queue.push(['emit', 'state', state, details])
  }
}
