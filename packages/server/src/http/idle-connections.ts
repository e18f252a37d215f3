/**
 * The connections of the HTTP servers that nobody uses at the moment. Idle kept-alive ones are closed, the oldest first,
 * when they are more than MAX_IDLE_HTTP or when their descriptors are needed: hundreds of them would lock out clients,
 * probes and the journal. Knows no request and no answer.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Server as TlsServer } from 'node:https'
import type { Socket } from 'node:net'
import type { DescriptorShares } from './descriptors.js'

export interface IdleConnectionsOptions {
  /** So many idle connections are kept. */
  readonly maxIdle: number
  readonly shares: DescriptorShares
}

/**
 * Of a connection, for TLS has two sockets for one: the encrypted one beneath the one of the requests. A socket forgets
 * its peer when it is closed.
 */
const keyOf = ({ remoteAddress = '', remotePort = 0, localPort = 0 }: Socket): string =>
  `${remoteAddress} ${String(remotePort)} ${String(localPort)}`

export class IdleConnections {
  readonly #options: IdleConnectionsOptions
  /** All that are open, upgraded ones included. */
  readonly #open = new Set<string>()
  /** Those that have not sent a request yet, the oldest first. */
  readonly #fresh = new Map<string, Socket>()
  /** Those that wait for their next request, the oldest first. */
  readonly #idle = new Map<string, Socket>()
  /** Requests that are being answered, by connection: a client may send several at once. */
  readonly #running = new Map<string, number>()

  constructor(options: IdleConnectionsOptions) {
    this.#options = options
  }

  watch(server: Server | TlsServer): void {
    server.on('connection', (socket: Socket) => this.#opened(socket))
    server.prependListener('request', ({ socket }: IncomingMessage, response: ServerResponse) => {
      const key = this.#used(socket)
      this.#running.set(key, (this.#running.get(key) ?? 0) + 1)
      response.once('close', () => this.#answered(key, socket))
    })
  }

  /**
   * The connection is no longer HTTP's, and is not closed here. The front calls this: a listener to `upgrade` of its own
   * would keep Node from answering requests that offer an upgrade to a server without a front.
   */
  upgraded(socket: Socket): void {
    this.#used(socket)
  }

  #opened(socket: Socket): void {
    const key = keyOf(socket)
    this.#open.add(key)
    this.#fresh.set(key, socket)
    socket.once('close', () => this.#forget(key))
    this.#makeRoom()
  }

  /** A request has come. */
  #used(socket: Socket): string {
    const key = keyOf(socket)
    this.#fresh.delete(key)
    this.#idle.delete(key)
    return key
  }

  #answered(key: string, socket: Socket): void {
    const running = (this.#running.get(key) ?? 1) - 1
    if (running > 0) {
      this.#running.set(key, running)
      return
    }
    this.#running.delete(key)
    if (!this.#open.has(key) || socket.destroyed) return
    this.#idle.set(key, socket)
    while (this.#idle.size > this.#options.maxIdle) this.#closeOldest(this.#idle)
    this.#makeRoom()
  }

  /** Idle connections give way first, then those that have not sent a request yet: a probe sends it at once. */
  #makeRoom(): void {
    const { lasting, passing } = this.#options.shares
    while (this.#open.size > lasting && this.#idle.size > 0) this.#closeOldest(this.#idle)
    while (this.#open.size > lasting + passing && this.#fresh.size > 1) this.#closeOldest(this.#fresh)
  }

  #closeOldest(connections: ReadonlyMap<string, Socket>): void {
    const [oldest] = connections
    if (!oldest) return
    const [key, socket] = oldest
    this.#forget(key)
    socket.destroy()
  }

  #forget(key: string): void {
    this.#open.delete(key)
    this.#fresh.delete(key)
    this.#idle.delete(key)
    this.#running.delete(key)
  }
}
