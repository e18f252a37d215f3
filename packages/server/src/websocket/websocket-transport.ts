/**
 * A connection's socket over `ws`: the only file that knows that library. It does the handshake, the parsing, pongs and
 * the closing handshake; frames to clients are written to the socket beneath it, already made and joined.
 */
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { CLOSE_CODES, SUBPROTOCOL } from '@lastcall/protocol'
import { WebSocket, WebSocketServer, type ServerOptions } from 'ws'
import type { Transport, TransportListener } from '../connections/transport.js'
import { PING_FRAME } from './frame.js'

export interface WebSocketAcceptorOptions {
  /** The largest message taken, in bytes; larger ones close the connection with 1009. */
  readonly maxPayloadBytes: number
  /** Beyond so many queued bytes a peer that does not read is not read from either. */
  readonly maxBufferedBytes: number
  /** How long a closing handshake may take, in milliseconds. */
  readonly closeTimeoutMs: number
}

/** Completes handshakes (RFC 6455 section 4.2.2). */
export class WebSocketAcceptor {
  readonly #server: WebSocketServer
  readonly #maxBufferedBytes: number

  constructor({ maxPayloadBytes, maxBufferedBytes, closeTimeoutMs }: WebSocketAcceptorOptions) {
    this.#maxBufferedBytes = maxBufferedBytes
    // `closeTimeout` is missing in the types of 8.18.
    const options: ServerOptions & { closeTimeout: number } = {
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload: maxPayloadBytes,
      closeTimeout: closeTimeoutMs,
      handleProtocols: (offered) => (offered.has(SUBPROTOCOL) ? SUBPROTOCOL : false),
    }
    this.#server = new WebSocketServer(options)
  }

  /**
   * Answers the handshake. A faulty one is answered with an HTTP error by `ws`, and the callback is not called.
   * The listener may be set later, but in the same turn of the event loop.
   */
  accept(
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    callback: (transport: WebSocketTransport) => void,
  ): void {
    // The answer to the handshake and what the callback writes, the welcome above all, leave in one system call.
    socket.cork()
    this.#server.handleUpgrade(request, socket, head, (webSocket) => {
      callback(new WebSocketTransport(webSocket, socket, this.#maxBufferedBytes))
    })
    socket.uncork()
  }
}

/** RFC 6455 section 7.4.1. */
const PROTOCOL_ERROR = 1002

const TRANSPORT = Symbol('transport')

/** Who is meant by an event: the transport is kept on the emitter, so that 10,000 connections share these listeners. */
interface Carrier {
  [TRANSPORT]: WebSocketTransport
}

export class WebSocketTransport implements Transport {
  readonly #webSocket: WebSocket
  readonly #socket: Duplex
  readonly #maxBufferedBytes: number
  /** What was wrong with the peer's frames, as the close code that told it. */
  faultCode: number | undefined
  /** Set while the owner wants nothing read, whatever the socket says. */
  #held = false
  /** What was queued when the end began: a destroyed socket says that nothing is. */
  #unflushedBytes = 0
  listener: TransportListener | undefined

  constructor(webSocket: WebSocket, socket: Duplex, maxBufferedBytes: number) {
    this.#webSocket = webSocket
    this.#socket = socket
    this.#maxBufferedBytes = maxBufferedBytes
    ;(webSocket as WebSocket & Carrier)[TRANSPORT] = this
    ;(socket as Duplex & Carrier)[TRANSPORT] = this
    webSocket.on('message', onMessage)
    webSocket.on('pong', onPong)
    webSocket.on('close', onClose)
    webSocket.on('error', onError)
    socket.on('drain', onDrain)
  }

  /** Whether the client asked for the strict dialect and got it. */
  get isStrict(): boolean {
    return this.#webSocket.protocol === SUBPROTOCOL
  }

  get isOpen(): boolean {
    return this.#webSocket.readyState === WebSocket.OPEN
  }

  get isFull(): boolean {
    return this.#socket.writableNeedDrain
  }

  get bufferedBytes(): number {
    return this.#socket.destroyed ? this.#unflushedBytes : this.#socket.writableLength
  }

  write(frames: Buffer): void {
    // After a close frame nothing may follow (RFC 6455 section 5.5.1).
    if (!this.isOpen) return
    this.#socket.write(frames)
    if (this.#socket.writableLength > this.#maxBufferedBytes) this.#webSocket.pause()
  }

  ping(): void {
    this.write(PING_FRAME)
  }

  pause(): void {
    this.#held = true
    this.#webSocket.pause()
  }

  resume(): void {
    this.#held = false
    this.drained()
  }

  /** The socket takes more again. */
  drained(): void {
    this.#unflushedBytes = 0
    if (!this.#held && this.#socket.writableLength <= this.#maxBufferedBytes) this.#webSocket.resume()
  }

  close(code: number, reason: string): void {
    // The peer's answer must be read, else its end is a reset and it loses what was on its way.
    this.#webSocket.resume()
    this.#webSocket.close(code, reason)
    this.#unflushedBytes = this.#socket.writableLength
  }

  terminate(): void {
    this.#unflushedBytes = this.bufferedBytes
    this.#webSocket.terminate()
  }
}

function onMessage(this: WebSocket, data: WebSocket.RawData, isBinary: boolean): void {
  const { listener } = (this as WebSocket & Carrier)[TRANSPORT]
  if (isBinary) listener?.onBinary()
  else listener?.onText((data as Buffer).toString())
}

function onPong(this: WebSocket): void {
  ;(this as WebSocket & Carrier)[TRANSPORT].listener?.onAlive()
}

function onClose(this: WebSocket, code: number): void {
  const { listener, faultCode } = (this as WebSocket & Carrier)[TRANSPORT]
  listener?.onClosed(faultCode ?? code)
}

/** `ws` has closed the connection with the code that fits; only afterwards can the peer's own be missing. */
function onError(this: WebSocket, error: Error & { readonly code?: string }): void {
  const transport = (this as WebSocket & Carrier)[TRANSPORT]
  if (error.code === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH') transport.faultCode = CLOSE_CODES.tooLarge
  else if (error.code === 'WS_ERR_INVALID_UTF8') transport.faultCode = CLOSE_CODES.invalidText
  else if (error.code?.startsWith('WS_ERR_')) transport.faultCode = PROTOCOL_ERROR
}

function onDrain(this: Duplex): void {
  const transport = (this as Duplex & Carrier)[TRANSPORT]
  transport.drained()
  transport.listener?.onAlive()
  transport.listener?.onDrain()
}
