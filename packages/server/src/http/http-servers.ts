/**
 * The servers of `node:http` or `node:https` beneath the application: one for each address that HOST stands for (two for
 * `localhost`). Owns their time limits, their TLS, and that all of them stop listening together.
 */
import { createServer, type Server, type RequestListener, type ServerOptions } from 'node:http'
import { createServer as createTlsServer, Server as TlsServer } from 'node:https'
import { Server as NetServer, type Socket } from 'node:net'
import { descriptorShares, type DescriptorShares } from './descriptors.js'
import { IdleConnections } from './idle-connections.js'

export interface HttpServersOptions {
  /** How long an idle HTTP connection is kept, in milliseconds; 0: 72 s. */
  readonly keepAliveTimeoutMs: number
  /** How many idle HTTP connections are kept; beyond that the oldest is closed. Default: 100. */
  readonly maxIdle?: number
  /** How many connections there may be. Default: as many as there are descriptors. */
  readonly shares?: DescriptorShares
  /** Certificate chain and private key, in PEM. `undefined`: plain HTTP. */
  readonly tls?: TlsIdentity | undefined
}

export interface TlsIdentity {
  readonly cert: Buffer
  readonly key: Buffer
}

const DEFAULT_MAX_IDLE = 100

/** Longer than the 60 s after which most load balancers drop an idle connection. */
const DEFAULT_KEEP_ALIVE_MS = 72_000

/**
 * Who drips its request in byte by byte is cut off. Upgraded sockets are no longer HTTP's: these don't touch them.
 * Checked every CHECKING_INTERVAL_MS, so a request may live that much longer.
 */
const HEADERS_TIMEOUT_MS = 10_000
const REQUEST_TIMEOUT_MS = 15_000
const CHECKING_INTERVAL_MS = 5_000

/** The same for a handshake of TLS; Node's default is two minutes. */
const TLS_HANDSHAKE_TIMEOUT_MS = 10_000

export class HttpServers {
  readonly #options: HttpServersOptions
  readonly #servers: (Server | TlsServer)[] = []
  /** What TLS is spoken over, or will be: `closeAllConnections` does not know who has not finished its handshake. */
  readonly #beneathTls = new Set<Socket>()
  readonly #idleConnections: IdleConnections
  #tls: TlsIdentity | undefined

  constructor(options: HttpServersOptions) {
    this.#options = options
    const { maxIdle = DEFAULT_MAX_IDLE, shares = descriptorShares(Infinity) } = options
    this.#idleConnections = new IdleConnections({ maxIdle, shares })
    this.#tls = options.tls
  }

  /** Another one, that does not listen yet. */
  create(handler: RequestListener): Server {
    const options: ServerOptions = {
      keepAliveTimeout: this.#options.keepAliveTimeoutMs || DEFAULT_KEEP_ALIVE_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      headersTimeout: HEADERS_TIMEOUT_MS,
      connectionsCheckingInterval: CHECKING_INTERVAL_MS,
      // The application answers that, with the headers of all its answers.
      requireHostHeader: false,
    }
    const server = this.#tls
      ? this.#keepTrack(
          createTlsServer({ ...options, ...this.#tls, handshakeTimeout: TLS_HANDSHAKE_TIMEOUT_MS }, handler),
        )
      : createServer(options, handler)
    this.#servers.push(server)
    this.#idleConnections.watch(server)
    // To whoever is beneath a request they are alike; the types have no common name for them.
    return server
  }

  /** The connection is no longer HTTP's: it does not count as idle. */
  upgraded(socket: Socket): void {
    this.#idleConnections.upgraded(socket)
  }

  #keepTrack(server: TlsServer): TlsServer {
    const sockets = this.#beneathTls
    function forget(this: Socket): void {
      sockets.delete(this)
    }
    return server.on('connection', (socket: Socket) => sockets.add(socket.once('close', forget)))
  }

  /** Newcomers are shown this certificate; connections that are there stay as they are. Only where there was TLS before. */
  renewTls(tls: TlsIdentity): void {
    this.#tls = tls
    for (const server of this.#servers) if (server instanceof TlsServer) server.setSecureContext(tls)
  }

  /**
   * Takes no more connections; those that are there live on. Not `close` of `node:http`: that also cuts idle kept-alive
   * connections, just when a request may be on its way, and stops looking for requests that drip in.
   */
  stopListening(): void {
    for (const server of this.#servers) NetServer.prototype.close.call(server)
  }
  /** Cuts all that are left: for the end, when upgraded ones have gone. */
  closeAllConnections(): void {
    for (const server of this.#servers) server.closeAllConnections()
    for (const socket of this.#beneathTls) socket.destroy()
  }
}
