/**
 * The front over the HTTP servers of Node. It receives their `upgrade` requests, tells handshakes from ordinary requests, and
 * completes or rejects them. The code behind it decides on each handshake.
 */
import type { IncomingMessage, Server } from 'node:http'
import type { Duplex } from 'node:stream'
import type { ConnectionListener, Front, Handshake, HttpRejection, Reply } from '../connections/front.js'
import { rejectHandshake } from '../http/raw-answer.js'
import type { HeaderFields } from '../http/security-headers.js'
import { handBack } from './ordinary-request.js'
import { asksForWebSocket, faultOf, isBelow, originForm } from './upgrade-request.js'
import type { WebSocketAcceptor } from './websocket-transport.js'

export interface NodeFrontOptions<Place, Address> {
  /** The front's own server, with the path of the endpoint on it. */
  readonly server: Server
  readonly path: string
  /** Lets the front's own server listen. */
  readonly listen: (place: Place) => Promise<Address>
  readonly stopListening: () => void
  readonly acceptor: WebSocketAcceptor
  /** The request on this connection asks for a WebSocket of an endpoint: the connection no longer belongs to HTTP. */
  readonly onUpgrade: (request: IncomingMessage) => void
  /** The address of the client that sent a request. */
  readonly addressOf: (request: IncomingMessage) => string | undefined
  /** Header fields of every HTTP answer to a handshake. */
  readonly headers: HeaderFields
}

export class NodeFront<Place, Address> implements Front<Place, Address, Server> {
  readonly #options: NodeFrontOptions<Place, Address>
  readonly #stops: (() => void)[] = []
  /** Sockets whose handshake was rejected and that have not ended yet. */
  readonly #rejected = new Set<Duplex>()
  #listener: ConnectionListener | undefined

  constructor(options: NodeFrontOptions<Place, Address>) {
    this.#options = options
  }

  onConnection(listener: ConnectionListener): void {
    this.#listener = listener
  }

  listen(place: Place): Promise<Address> {
    const { server, path, listen } = this.#options
    this.#serve(server, path)
    return listen(place)
  }

  adopt(server: Server, path: string): void {
    this.#serve(server, path)
  }

  stopListening(): void {
    this.#options.stopListening()
  }

  close(): void {
    for (const stop of this.#stops.splice(0)) stop()
    for (const socket of this.#rejected) socket.destroy()
  }

  #serve(server: Server, path: string): void {
    const endpoint = { path, take: (upgrade: Upgrade) => this.#take(upgrade, path), refuse: this.#refuse }
    this.#stops.push(endpointsOf(server).add(endpoint))
  }

  #take(upgrade: Upgrade, path: string): void {
    const { request, socket } = upgrade
    // Node has removed its own listeners. A client may reset the connection while its handshake waits for an answer, and an
    // `error` event without a listener ends the process.
    socket.on('error', ignore)
    this.#options.onUpgrade(request)
    const fault = faultOf(request)
    if (fault !== undefined) return this.#refuse(upgrade, 400, fault)
    const handshake: Handshake = {
      url: upgrade.target,
      headers: request.headers,
      remoteAddress: this.#options.addressOf(request),
    }
    this.#listener?.(handshake, this.#replyTo(upgrade), path)
  }

  #replyTo({ request, socket, head }: Upgrade): Reply {
    const { acceptor } = this.#options
    const reject = (rejection: HttpRejection, fields?: HeaderFields): void => this.#reject(socket, rejection, fields)
    return { accept: (callback) => acceptor.accept({ request, socket, head }, callback, reject), reject }
  }

  #reject(socket: Duplex, rejection: HttpRejection, fields: HeaderFields = {}): void {
    this.#rejected.add(socket)
    socket.once('close', () => this.#rejected.delete(socket))
    rejectHandshake(socket, rejection, { ...this.#options.headers, ...fields })
  }

  readonly #refuse = ({ socket }: Upgrade, status: number, text: string): void => {
    this.#reject(socket, { status, text })
  }
}

/** A request that asks for a WebSocket. */
interface Upgrade {
  readonly request: IncomingMessage
  /** The request target in origin form. */
  readonly target: string
  readonly socket: Duplex
  readonly head: Buffer
}

interface Endpoint {
  readonly path: string
  take(upgrade: Upgrade): void
  refuse(upgrade: Upgrade, status: number, text: string): void
}

/** The endpoints of one server. Several fronts may serve on one server; together they have one listener to `upgrade`. */
class Endpoints {
  readonly #server: Server
  readonly #endpoints = new Set<Endpoint>()

  constructor(server: Server) {
    this.#server = server
  }

  /** The returned function removes the endpoint. */
  add(endpoint: Endpoint): () => void {
    if (this.#endpoints.size === 0) this.#server.on('upgrade', this.#onUpgrade)
    this.#endpoints.add(endpoint)
    return () => {
      this.#endpoints.delete(endpoint)
      if (this.#endpoints.size === 0) this.#server.off('upgrade', this.#onUpgrade)
    }
  }

  readonly #onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    const { headers } = request
    const areOthers = this.#server.listenerCount('upgrade') > 1
    if (!asksForWebSocket(headers)) {
      // Other listeners may support the offered protocol.
      if (!areOthers) handBack(this.#server, request, socket, head)
      return
    }
    const upgrade = { request, target: originForm(request.url ?? ''), socket, head }
    for (const endpoint of this.#endpoints) {
      if (!isBelow(endpoint.path, upgrade.target)) continue
      // A list that also offers another protocol: the server chooses this one.
      headers.upgrade = 'websocket'
      endpoint.take(upgrade)
      return
    }
    if (areOthers) return
    const paths = [...this.#endpoints].map(({ path }) => `${path}/{clientId}`)
    const [any] = this.#endpoints
    any?.refuse(upgrade, 404, `WebSockets are served at ${paths.join(' and ')}`)
  }
}

const endpointsByServer = new WeakMap<Server, Endpoints>()

function endpointsOf(server: Server): Endpoints {
  let endpoints = endpointsByServer.get(server)
  if (!endpoints) endpointsByServer.set(server, (endpoints = new Endpoints(server)))
  return endpoints
}

function ignore(): void {
  // `ws` finds the socket closed; or no front is left that could reject it.
}
