/**
 * The events of the client, and their handlers.
 */
import { throwUncaught } from './clock.js'
import type { ConnectionDetails } from './connection-details.js'
import type { ClientError } from './errors.js'
import type {
  ChannelMessage,
  ChannelPresence,
  DirectMessage,
  PeriodicMessage,
  PresenceMessage,
  ServerErrorCode,
  ShutdownCancelledMessage,
  ShutdownMessage,
} from './messages.js'

/**
 * `connecting`: the server has not accepted the client yet. `open`: connected. `reconnecting`: the connection was lost, and
 * the client tries to resume. `closed`: for good.
 */
export type ClientState = 'connecting' | 'open' | 'reconnecting' | 'closed'

/** The server has accepted the client: the state with which the connection begins. */
export interface Welcome {
  readonly clientId: string
  /** The instance that serves the client. */
  readonly node: string
  /** `true`: the server replays everything that the client missed. `false`: it cannot. `null`: this is a new client. */
  readonly recovered: boolean | null
  /** The number of clients that are connected to all instances; `undefined`: an older server does not say it. */
  readonly active: number | undefined
  /** The clients in the channels, by channel; `presence` events report the changes. `undefined`: presence is off. */
  readonly presence: Readonly<Record<string, ChannelPresence>> | undefined
}

/** Whether the client missed messages while it was disconnected. */
export interface Recovery {
  /**
   * `true`: the server replays everything that the client missed, in order. `false`, once per loss: the server has evicted
   * entries of these channels, or direct messages; the application should fetch its state again.
   */
  readonly recovered: boolean
  readonly channels: readonly string[]
}

/** Another instance of the server serves this client now. */
export interface Move {
  readonly from: string
  readonly to: string
}

/** The server refuses messages temporarily: messages and subscriptions wait. */
export interface Throttled {
  /** The cause: `rate_limited`, `journal_unavailable` or `internal`. */
  readonly code: ServerErrorCode
  /** Milliseconds until the client sends again. */
  readonly retryInMs: number
}

/** The client is closed. */
export interface Closing {
  /** The code of the close frame; 1000 after `close()`. */
  readonly code: number
  readonly reason: string
}

export interface ClientEvents {
  /** The state changed. The handler's second argument is `ConnectionDetails`. */
  state: ClientState
  /** At first and after each reconnect, before anything is replayed. Not after a move: the events go on without a gap. */
  welcome: Welcome
  /** A message in any of the client's channels, after the handlers of its subscriptions. */
  message: ChannelMessage
  direct: DirectMessage
  presence: PresenceMessage
  periodic: PeriodicMessage
  shutdown: ShutdownMessage
  shutdownCancelled: ShutdownCancelledMessage
  /** After each reconnect. */
  recovered: Recovery
  move: Move
  /** Once per refusal after which the client waits. */
  throttled: Throttled
  /** An error that belongs to no promise. The client continues. */
  error: ClientError
  close: Closing
}

/** The second argument of a handler. */
export type EventDetails<Event extends keyof ClientEvents> = Event extends 'state' ? ConnectionDetails : undefined

export type EventHandler<Event extends keyof ClientEvents> = (
  payload: ClientEvents[Event],
  details: EventDetails<Event>,
) => void

type Handlers = { [Event in keyof ClientEvents]?: Set<EventHandler<Event>> }

export class Emitter {
  readonly #handlers: Handlers = {}

  /** @returns Removes the handler. */
  on<Event extends keyof ClientEvents>(event: Event, handler: EventHandler<Event>): () => void {
    const handlers: Set<EventHandler<Event>> = (this.#handlers[event] ??= new Set() as NonNullable<Handlers[Event]>)
    handlers.add(handler)
    return () => void handlers.delete(handler)
  }

  emit<Event extends keyof ClientEvents>(
    event: Event,
    payload: ClientEvents[Event],
    details: EventDetails<Event>,
  ): void {
    for (const handler of this.#handlers[event] ?? []) call(() => handler(payload, details))
  }
}

/** Calls a handler of the application. Rethrows its exception in a task of its own, so that the client continues. */
export function call(handler: () => void): void {
  try {
    handler()
  } catch (error) {
    throwUncaught(error)
  }
}
