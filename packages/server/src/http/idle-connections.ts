/**
 * The idle connections of the HTTP servers. The server closes them, the oldest first, when they exceed MAX_IDLE_HTTP or when it
 * needs their descriptors: hundreds of them would lock out clients, probes and the journal. This file reads no request and
 * writes no answer.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Server as TlsServer } from 'node:https'
import type { Socket } from 'node:net'
import type { DescriptorShares } from './descriptors.js'

export interface IdleConnectionsOptions {
  /** The limit of idle connections. */
  readonly maxIdle: number
  readonly shares: DescriptorShares
}

/**
 * Identifies a connection. TLS has two sockets for one connection: the encrypted one, and the one of the requests. Addresses
 * are read early, because a socket forgets its peer when it closes.
 */
const keyOf = ({ remoteAddress = '', remotePort = 0, localPort = 0 }: Socket): string =>
  `${remoteAddress} ${String(remotePort)} ${String(localPort)}`

export class IdleConnections {
  readonly #options: IdleConnectionsOptions
  /** All open connections, upgraded ones included. */
  readonly #open = new Set<string>()
  /** Connections that have not sent a request yet, the oldest first. */
  readonly #fresh = new Map<string, Socket>()
  /** Connections that wait for their next request, the oldest first. */
  readonly #idle = new Map<string, Socket>()
  /** The number of unanswered requests by connection: a client may send several at once. */
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
   * The connection was upgraded: this class no longer closes it. The front calls this. A listener to `upgrade` here would keep
   * Node from answering a request that offers an upgrade to a server without a front.
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

  /** Counts a request that arrived. */
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

  /** The server closes idle connections first, then those without a first request: a probe sends its request at once. */
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
