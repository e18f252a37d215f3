/**
 * The options of the client, with units and defaults.
 */
import type { Clock } from './clock.js'
import type { WebSocketConstructor } from './link.js'

/** The state with which a client proves that it is the same client, and resumes. */
export interface SavedState {
  readonly clientId: string
  /** The proof. A secret. */
  readonly session: string
  /** The server delivered everything up to this position of the journal. An opaque string of the server. */
  readonly cursor: string
}

/**
 * Stores the identity and the cursor of a client, so that it resumes after a reload or a restart.
 * Two clients must not share a store: they would replace each other. For browsers there is `sessionStore()`.
 */
export interface Store {
  /** Returns the state of the last `save`; nothing: this is a new client. */
  load(): SavedState | null | undefined | Promise<SavedState | null | undefined>
  /**
   * Called when the server has accepted the client, then at most once per second while messages arrive, and when the page
   * is hidden. A client that ends without this call receives the messages of the last second again. The session is a secret.
   */
  save(state: SavedState): void | Promise<void>
  /** Called when the client is closed. */
  release?(): void
}

export interface ClientOptions {
  /** The client's name: 1–64 of `a-z A-Z 0-9 _ -`. Default: the one in the store, else one that the server chooses. */
  readonly clientId?: string | undefined
  /**
   * A JWT, or a function that returns one. The client calls the function for each attempt, so that the token has not
   * expired. The URL's query contains the token, because browsers can send no header field. Default: none.
   */
  readonly token?: string | (() => string | Promise<string>) | undefined
  /** Channels to subscribe to from the start, besides `lobby`. Default: none. */
  readonly channels?: readonly string[] | undefined
  /** Default: none; each `Client` is a new client. */
  readonly store?: Store | undefined
  /**
   * Milliseconds. The first attempt to reconnect waits between half of this and all of it, at random. The random part
   * doubles with each further attempt. A server's own hint takes precedence. Default: 1000.
   */
  readonly minDelayMs?: number | undefined
  /** The longest wait between attempts, unless the server requests a longer one. Milliseconds. Default: 30,000. */
  readonly maxDelayMs?: number | undefined
  /** The client gives an attempt up when no `welcome` arrives within this time. Milliseconds. Default: 10,000. */
  readonly connectTimeoutMs?: number | undefined
  /** How many messages may wait for an ack, sent or not; `publish` rejects further ones with `queue_full`. Default: 1000. */
  readonly maxQueue?: number | undefined
  /** How many messages may wait for a slow `for await` loop, which then throws `buffer_full`. Per subscription. Default: 1000. */
  readonly maxBuffer?: number | undefined
  /**
   * Parses frames in place of JSON.parse, for example with a reviver, or with a library that preserves 64-bit numbers. The
   * function receives the JSON text of a frame; the client takes `data` from the returned object. When the function throws,
   * the message is lost, and the event `error` has the code `bad_frame`. Default: JSON.parse.
   */
  readonly parse?: ((json: string) => unknown) | undefined
  /**
   * Encodes the data of messages in place of JSON.stringify; must return JSON text. The server passes that text on
   * unchanged. Default: JSON.stringify, which here refuses values that it would lose silently: bytes, Map, Set, NaN.
   */
  readonly stringify?: ((data: unknown) => string) | undefined
  /**
   * 0 ≤ x < 1, for jitter, and for the ids of messages: they must differ between two starts of a client. Default:
   * Math.random.
   */
  readonly random?: (() => number) | undefined
  /** Default: performance.now and setTimeout. */
  readonly clock?: Clock | undefined
  /**
   * The WebSocket to use. Default: the global one, which browsers and Node ≥ 22 have. For Node 20:
   * `import { WebSocket } from 'ws'`.
   */
  readonly webSocket?: WebSocketConstructor | undefined
}
