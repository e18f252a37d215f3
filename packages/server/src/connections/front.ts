/**
 * The seam towards the network: a front listens, accepts connections and reports each handshake as plain data. It knows
 * no client and no session; the code behind it knows no socket and no HTTP. `NodeFront` is the one implementation.
 */
import type { IncomingTransport } from './transport.js'

/** The handshake of a peer as plain data: it can be logged, stored, and built by a test. */
export interface Handshake {
  /** The request target in origin form: path and query, still encoded. */
  readonly url: string
  /** Header fields by their lower-case names. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
  /** The IP address of the client: that of the peer, or the one that a trusted proxy names (TRUST_PROXY). */
  readonly remoteAddress: string | undefined
}

/** Answers one handshake, once. */
export interface Reply {
  /**
   * Completes the handshake and calls back in the same turn of the event loop. Does not call back when the handshake is
   * faulty: the front rejects it by itself.
   */
  accept(callback: (transport: IncomingTransport) => void): void
  /** Rejects with an HTTP status and a text, and closes the connection. */
  reject(answer: HttpRejection): void
}

export interface HttpRejection {
  readonly status: number
  readonly text: string
  /** Sent as `Retry-After`, rounded up to seconds. Default: the field is not sent. */
  readonly retryInMs?: number | undefined
}

/** @param path The path under which the endpoint is served: a clientId may follow it, after a slash. */
export type ConnectionListener = (handshake: Handshake, reply: Reply, path: string) => void

/** @typeParam Host A server of an application that a front can serve on. */
export interface Front<Place, Address, Host> {
  /** Calls back for each handshake from now on. A front without a listener answers nothing. */
  onConnection(listener: ConnectionListener): void
  /** Binds an address of its own. Rejects when it is taken. */
  listen(place: Place): Promise<Address>
  /** Serves the endpoint under `path` on a server that its owner keeps. */
  adopt(host: Host, path: string): void
  /** Accepts no more connections; existing ones continue. */
  stopListening(): void
  /** Reports no further handshake, and destroys the sockets of rejected handshakes that have not ended. */
  close(): void
}
