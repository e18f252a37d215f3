/**
 * What the application can listen to.
 */
import type { ClientError } from './errors.js'
import type {
  ChannelMessage,
  DirectMessage,
  PeriodicMessage,
  PresenceMessage,
  ShutdownCancelledMessage,
  ShutdownMessage,
} from './messages.js'

/**
 * `connecting`: has never been let in yet. `open`: let in. `reconnecting`: was in, and tries to get back. `closed`: for
 * good.
 */
export type ClientState = 'connecting' | 'open' | 'reconnecting' | 'closed'

/** What became of what was said while the client was away. */
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

/** The end. */
export interface Closing {
  /** Of the close frame; 1000 after `close()`. */
  readonly code: number
  readonly reason: string
}

export interface ClientEvents {
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
  /** What went wrong and belongs to no promise. The client goes on. */
  error: ClientError
  close: Closing
}

type Handlers = { [Event in keyof ClientEvents]?: Set<(payload: ClientEvents[Event]) => void> }

export class Emitter {
  readonly #handlers: Handlers = {}

  /** The answer takes the handler off. */
  on<Event extends keyof ClientEvents>(event: Event, handler: (payload: ClientEvents[Event]) => void): () => void {
    const handlers: Set<typeof handler> = (this.#handlers[event] ??= new Set() as NonNullable<Handlers[Event]>)
    handlers.add(handler)
    return () => void handlers.delete(handler)
  }

  emit<Event extends keyof ClientEvents>(event: Event, payload: ClientEvents[Event]): void {
    for (const handler of this.#handlers[event] ?? []) call(handler, payload)
  }
}

/** Calls what belongs to the application. What it throws is the application's to catch, and must not stop the client. */
export function call<Payload>(handler: (payload: Payload) => void, payload: Payload): void {
  try {
    handler(payload)
  } catch (error) {
    queueMicrotask(() => {
      throw error
    })
  }
}
