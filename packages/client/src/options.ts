/**
 * What can be chosen, with units and defaults.
 */
import type { WebSocketConstructor } from './link.js'

/** What the client keeps to be the same one again. */
export interface SavedState {
  readonly clientId: string
  /** Proves it. A secret. */
  readonly session: string
  /** `EPOCH:OFFSET`: everything up to there has been delivered. */
  readonly cursor: string
}

/** Where the client keeps who it is and how far it has got, so that it is the same one after a reload or a restart. */
export interface Store {
  /** What was saved last; nothing: this is a new client. */
  load(): SavedState | null | undefined | Promise<SavedState | null | undefined>
  /**
   * Called when the client has been let in, then at most once per second while messages come, and when the page is
   * hidden. Who ends without that hears the last second's messages again. The session is a secret, and two clients must
   * not share a store: in a browser take sessionStorage, which every tab has for itself.
   */
  save(state: SavedState): void | Promise<void>
}

/** Time, for tests. */
export interface Clock {
  /** Milliseconds that never go back. */
  now(): number
  /** Calls back after so many milliseconds; the answer calls it off. */
  after(ms: number, callback: () => void): () => void
}

export interface ClientOptions {
  /**
   * The client's name: 1–64 of `a-z A-Z 0-9 _ -`. Default: the one in the store, else one that the server makes up.
   */
  readonly clientId?: string | undefined
  /**
   * A JWT, or what gets one: called for each attempt, so that it never is an expired one. It travels in the URL's query,
   * since browsers can send no header. Default: none.
   */
  readonly token?: string | (() => string | Promise<string>) | undefined
  /** Channels to be in from the beginning, besides `lobby`. Default: none. */
  readonly channels?: readonly string[] | undefined
  /** Default: none; the client is a new one each time it is made. */
  readonly store?: Store | undefined
  /**
   * The first attempt to come back waits a random time of at most so many milliseconds, each further one of twice as
   * many (full jitter). Default: 1000.
   */
  readonly minDelayMs?: number | undefined
  /** … but never more than this. Milliseconds. Default: 30,000. */
  readonly maxDelayMs?: number | undefined
  /** An attempt that has not led to a welcome after so many milliseconds is given up. Default: 10,000. */
  readonly connectTimeoutMs?: number | undefined
  /** The most messages that may wait for an answer, sent or not; `publish` rejects more with `queue_full`. Default: 1000. */
  readonly maxQueue?: number | undefined
  /** The most messages that wait for a slow `for await`; then it throws `buffer_full`. Per subscription. Default: 1000. */
  readonly maxBuffer?: number | undefined
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

export const systemClock: Clock = {
  now: () => performance.now(),
  after(ms, callback) {
    const timer = setTimeout(callback, ms)
    return () => clearTimeout(timer)
  },
}
