/**
 * Makes transports: it completes handshakes by `ws`, and continues connections whose handshake another process has completed.
 */
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { SUBPROTOCOL } from '@lastcall/protocol'
import { WebSocketServer, type Server, type ServerOptions } from 'ws'
import type { Clock } from '../clock.js'
import type { HttpRejection } from '../connections/front.js'
import type { SocketHandle } from '../connections/transferable.js'
import type { HeaderFields } from '../http/security-headers.js'
import { PacedEnds } from './paced-ends.js'
import { ReadingTurns } from './reading-turns.js'
import { adoptSocket, fabricatedHandshake, withoutWriting } from './socket-transfer.js'
import { PeerSocket, WebSocketTransport, type TransportContext } from './websocket-transport.js'

export interface WebSocketAcceptorOptions {
  /** The largest accepted message, in bytes; a larger one closes the connection with 1009. */
  readonly maxPayloadBytes: number
  /** Above this number of queued bytes the server stops reading from the peer, too. */
  readonly maxBufferedBytes: number
  /** How long a closing handshake may take, in milliseconds. */
  readonly closeTimeoutMs: number
  readonly clock: Pick<Clock, 'monotonic' | 'soon'>
  /** Whether the buffered input of `ws` may be read: `checkBufferedInput` has passed. Default: no. */
  readonly readsBufferedInput?: boolean
}

/** Completes handshakes (RFC 6455 section 4.2.2). */
export class WebSocketAcceptor {
  readonly #server: Server<typeof PeerSocket>
  readonly #context: TransportContext
  /** The fault of the handshake that is being answered. */
  #fault: Error | undefined

  constructor(acceptor: WebSocketAcceptorOptions) {
    const { maxPayloadBytes, maxBufferedBytes, closeTimeoutMs, clock, readsBufferedInput = false } = acceptor
    const paces = { turns: new ReadingTurns(clock), ends: new PacedEnds(clock) }
    this.#context = { maxBufferedBytes, ...paces, clock, readsBufferedInput }
    // `closeTimeout` is missing in the types of 8.18.
    const options: ServerOptions<typeof PeerSocket> & { closeTimeout: number } = {
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload: maxPayloadBytes,
      closeTimeout: closeTimeoutMs,
      handleProtocols: (offered) => (offered.has(SUBPROTOCOL) ? SUBPROTOCOL : false),
      WebSocket: PeerSocket,
    }
    this.#server = new WebSocketServer<typeof PeerSocket>(options)
    // `ws` reports the fault before `handleUpgrade` returns.
    this.#server.on('wsClientError', (error) => (this.#fault = error))
  }

  /**
   * Answers the handshake. The listener may be set later, but in the same turn of the event loop.
   *
   * @param reject Called instead of the callback when the handshake does not follow RFC 6455.
   */
  accept(
    { request, socket, head }: UpgradedSocket,
    callback: (transport: WebSocketTransport) => void,
    reject: (rejection: HttpRejection, fields: HeaderFields) => void,
  ): void {
    // The answer to the handshake and the frames that the callback writes, `welcome` first, leave in one system call.
    socket.cork()
    this.#server.handleUpgrade(request, socket, head, (webSocket) => {
      callback(new WebSocketTransport(webSocket, socket, this.#context))
    })
    const fault = this.#fault
    if (fault) {
      this.#fault = undefined
      const isGet = request.method === 'GET'
      reject(
        { status: isGet ? 400 : 405, text: fault.message },
        isGet ? { 'Sec-WebSocket-Version': VERSION } : { Allow: 'GET' },
      )
    }
    socket.uncork()
  }

  /**
   * Continues a connection that another process has released. It is paused (`handover`). `undefined`: the peer has gone.
   *
   * @param head The bytes that the other process has read and not handled.
   */
  adopt(handle: SocketHandle, head: Buffer, isStrict: boolean): WebSocketTransport | undefined {
    const socket = adoptSocket(handle)
    socket.on('error', ignore)
    let transport: WebSocketTransport | undefined
    withoutWriting(socket, () =>
      this.#server.handleUpgrade(fabricatedHandshake(socket, isStrict), socket, head, (webSocket) => {
        transport = new WebSocketTransport(webSocket, socket, this.#context)
        transport.pause('handover')
      }),
    )
    if (!transport) socket.destroy()
    return transport
  }
}

/** The header field of RFC 6455 section 4.4: the answer to a faulty handshake names the supported version. */
const VERSION = '13'

/** A socket that an HTTP server has detached, with the request and the bytes after it. */
interface UpgradedSocket {
  readonly request: IncomingMessage
  readonly socket: Duplex
  readonly head: Buffer
}

function ignore(): void {
  // `ws` reports the end of the connection.
}
