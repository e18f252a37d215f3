/**
 * The events of the client, and who listens to them.
 */
import type { ConnectionDetails } from './connection-details.js'
import type { ClientError } from './errors.js'
import type {
  ChannelMessage,
  DirectMessage,
  PeriodicMessage,
  PresenceMessage,
  ServerErrorCode,
  ShutdownCancelledMessage,
  ShutdownMessage,
} from './messages.js'

/**
 * `connecting`: the server has not let the client in yet. `open`: connected. `reconnecting`: the connection was lost, and
 * the client tries to resume. `closed`: for good.
 */
export type ClientState = 'connecting' | 'open' | 'reconnecting' | 'closed'

/** Whether the client received what was published while it was away. */
export interface Recovery {
  /**
   * `true`: everything that was missed follows, in order. `false`, once per loss: something in these channels, or direct
   * messages, were out of the server's reach; the application should fetch its state anew.
   */
  readonly recovered: boolean
  readonly channels: readonly string[]
}

/** Another instance of the server serves this client now. */
export interface Move {
  readonly from: string
  readonly to: string
}

/** The server takes nothing for now: messages and subscriptions wait. */
export interface Throttled {
  /** Why: `rate_limited`, or `journal_unavailable`, `internal`. */
  readonly code: ServerErrorCode
  /** Milliseconds until the client sends again. */
  readonly retryInMs: number
}

/** The end. */
export interface Closing {
  /** Of the close frame; 1000 after `close()`. */
  readonly code: number
  readonly reason: string
}

export interface ClientEvents {
  /** It changed. The handler's second argument is `ConnectionDetails`. */
  state: ClientState
  /** A message in any of the client's channels, after the handlers of its subscriptions. */
  message: ChannelMessage
  direct: DirectMessage
  presence: PresenceMessage
  periodic: PeriodicMessage
  shutdown: ShutdownMessage
  shutdownCancelled: ShutdownCancelledMessage
  /** After each return to the server. */
  recovered: Recovery
  move: Move
  /** Once per refusal that makes the client wait. */
  throttled: Throttled
  /** What went wrong and belongs to no promise. The client goes on. */
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

/** Calls a handler of the application. The application must catch what it throws; the client goes on. */
export function call(handler: () => void): void {
  try {
    handler()
  } catch (error) {
    queueMicrotask(() => {
      throw error
    })
  }
}
