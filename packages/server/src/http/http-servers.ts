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
  /** How long the server keeps an idle HTTP connection, in milliseconds; 0: 72 s. */
  readonly keepAliveTimeoutMs: number
  /** How many idle HTTP connections the server keeps; beyond that it closes the oldest. Default: 100. */
  readonly maxIdle?: number
  /** The limit of connections. Default: the number of descriptors. */
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
 * The time limit of a request, against peers that send one byte by byte. It does not apply to upgraded sockets. Node checks it
 * every CHECKING_INTERVAL_MS, so a request may last that much longer.
 */
const HEADERS_TIMEOUT_MS = 10_000
const REQUEST_TIMEOUT_MS = 15_000
const CHECKING_INTERVAL_MS = 5_000

/** The time limit of a TLS handshake; Node's default is two minutes. */
const TLS_HANDSHAKE_TIMEOUT_MS = 10_000

export class HttpServers {
  readonly #options: HttpServersOptions
  readonly #servers: (Server | TlsServer)[] = []
  /** The sockets beneath TLS: `closeAllConnections` of Node does not know those that are still in their TLS handshake. */
  readonly #beneathTls = new Set<Socket>()
  readonly #idleConnections: IdleConnections
  #tls: TlsIdentity | undefined

  constructor(options: HttpServersOptions) {
    this.#options = options
    const { maxIdle = DEFAULT_MAX_IDLE, shares = descriptorShares(Infinity) } = options
    this.#idleConnections = new IdleConnections({ maxIdle, shares })
    this.#tls = options.tls
  }

  /** Creates another server, which does not listen yet. */
  create(handler: RequestListener): Server {
    const options: ServerOptions = {
      keepAliveTimeout: this.#options.keepAliveTimeoutMs || DEFAULT_KEEP_ALIVE_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      headersTimeout: HEADERS_TIMEOUT_MS,
      connectionsCheckingInterval: CHECKING_INTERVAL_MS,
      // The application answers a request without Host, with the header fields of all its answers.
      requireHostHeader: false,
    }
    const server = this.#tls
      ? this.#keepTrack(
          createTlsServer({ ...options, ...this.#tls, handshakeTimeout: TLS_HANDSHAKE_TIMEOUT_MS }, handler),
        )
      : createServer(options, handler)
    this.#servers.push(server)
    this.#idleConnections.watch(server)
    // Both kinds behave alike for a request; their types have no common name.
    return server
  }

  /** The connection was upgraded: it no longer counts as idle. */
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

  /** Presents this certificate to new connections; existing ones are unchanged. Has no effect on servers without TLS. */
  renewTls(tls: TlsIdentity): void {
    this.#tls = tls
    for (const server of this.#servers) if (server instanceof TlsServer) server.setSecureContext(tls)
  }

  /**
   * Accepts no more connections; existing ones continue. Not `close` of `node:http`: it also closes idle kept-alive
   * connections, on which a request may be arriving, and ends the check of slow requests.
   */
  stopListening(): void {
    for (const server of this.#servers) NetServer.prototype.close.call(server)
  }
  /** Destroys all remaining connections: for the end, after the upgraded ones have closed. */
  closeAllConnections(): void {
    for (const server of this.#servers) server.closeAllConnections()
    for (const socket of this.#beneathTls) socket.destroy()
  }
}
