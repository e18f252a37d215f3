/**
 * The options of the client, with units and defaults.
 */
import type { Clock } from './clock.js'
import type { WebSocketConstructor } from './link.js'

/** What the client keeps to be the same one again. */
export interface SavedState {
  readonly clientId: string
  /** Proves it. A secret. */
  readonly session: string
  /** Everything up to this place in the journal was delivered. An opaque string of the server. */
  readonly cursor: string
}

/**
 * Where the client keeps who it is and how far it has received, so that it is the same one after a reload or a restart.
 * Two clients must not share a store: they would replace each other. For browsers there is `sessionStore()`.
 */
export interface Store {
  /** What was saved last; nothing: this is a new client. */
  load(): SavedState | null | undefined | Promise<SavedState | null | undefined>
  /**
   * Called when the server has let the client in, then at most once per second while messages come, and when the page is
   * hidden. A client that ends without that receives the last second's messages again. The session is a secret.
   */
  save(state: SavedState): void | Promise<void>
  /** The client is closed. */
  release?(): void
}

export interface ClientOptions {
  /**
   * The client's name: 1–64 of `a-z A-Z 0-9 _ -`. Default: the one in the store, else one that the server makes up.
   */
  readonly clientId?: string | undefined
  /**
   * A JWT, or a function that gets one. The client calls the function for each attempt, so that the token is not an
   * expired one. The token travels in the URL's query, since browsers can send no header. Default: none.
   */
  readonly token?: string | (() => string | Promise<string>) | undefined
  /** Channels to be in from the beginning, besides `lobby`. Default: none. */
  readonly channels?: readonly string[] | undefined
  /** Default: none; the client is a new one each time it is made. */
  readonly store?: Store | undefined
  /**
   * Milliseconds. The first attempt to reconnect waits between half of this and all of it, at random. The random part
   * doubles with each further attempt. A server's own hint takes precedence. Default: 1000.
   */
  readonly minDelayMs?: number | undefined
  /** No wait between attempts is longer, unless the server asks for it. Milliseconds. Default: 30,000. */
  readonly maxDelayMs?: number | undefined
  /** An attempt is given up when no welcome came within so many milliseconds. Default: 10,000. */
  readonly connectTimeoutMs?: number | undefined
  /** The most messages that may wait for an answer, sent or not; `publish` rejects more with `queue_full`. Default: 1000. */
  readonly maxQueue?: number | undefined
  /** The most messages that wait for a slow `for await`; then it throws `buffer_full`. Per subscription. Default: 1000. */
  readonly maxBuffer?: number | undefined
  /**
   * Reads the data of messages in place of JSON.parse, for example with a reviver, or by a library that keeps 64-bit
   * numbers. It gets the JSON text of a frame; the client takes `data` from the object that it returns. Where it throws,
   * the message is lost, and the event `error` has the code `bad_frame`. Default: JSON.parse.
   */
  readonly parse?: ((json: string) => unknown) | undefined
  /**
   * Encodes the data of messages in place of JSON.stringify; must return JSON text. The server passes that text on
   * unchanged. Default: JSON.stringify, which here refuses what it would otherwise lose: bytes, Map, Set, NaN.
   */
  readonly stringify?: ((data: unknown) => string) | undefined
  /** For jitter: 0 ≤ x < 1. Default: Math.random. */
  readonly random?: (() => number) | undefined
  /** Default: performance.now and setTimeout. */
  readonly clock?: Clock | undefined
  /**
   * The WebSocket to use. Default: the global one, which browsers and Node ≥ 22 have. For Node 20:
   * `import { WebSocket } from 'ws'`.
   */
  readonly webSocket?: WebSocketConstructor | undefined
}
