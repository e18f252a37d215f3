/**
 * A connection's socket over `ws`: the only file that knows that library. `ws` does the handshake, the parsing, pongs and the
 * closing handshake. The server writes encoded and joined frames directly to the socket beneath.
 */
import type { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { CLOSE_CODES, SUBPROTOCOL } from '@lastcall/protocol'
import { WebSocket, WebSocketServer, type Server, type ServerOptions } from 'ws'
import type { Clock } from '../clock.js'
import type { HttpRejection } from '../connections/front.js'
import type { IncomingTransport, PauseReason, TransportListener } from '../connections/transport.js'
import { PING_FRAME } from './frame.js'
import { PacedEnds, type EndingConnection } from './paced-ends.js'
import { PacedReader, type ReaderOwner } from './paced-reader.js'
import { ReadingTurns } from './reading-turns.js'
import type { HeaderFields } from '../http/security-headers.js'
import { SocketTransport } from './websocket-encoding.js'

export interface WebSocketAcceptorOptions {
  /** The largest accepted message, in bytes; a larger one closes the connection with 1009. */
  readonly maxPayloadBytes: number
  /** Above this number of queued bytes the server stops reading from the peer, too. */
  readonly maxBufferedBytes: number
  /** How long a closing handshake may take, in milliseconds. */
  readonly closeTimeoutMs: number
  readonly clock: Pick<Clock, 'monotonic' | 'soon'>
}

/** Completes handshakes (RFC 6455 section 4.2.2). */
export class WebSocketAcceptor {
  readonly #server: Server<typeof PeerSocket>
  readonly #context: TransportContext
  /** The fault of the handshake that is being answered. */
  #fault: Error | undefined

  constructor({ maxPayloadBytes, maxBufferedBytes, closeTimeoutMs, clock }: WebSocketAcceptorOptions) {
    this.#context = { maxBufferedBytes, turns: new ReadingTurns(clock), ends: new PacedEnds(clock), clock }
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
}

/** The header field of RFC 6455 section 4.4: the answer to a faulty handshake names the supported version. */
const VERSION = '13'

/** A socket that an HTTP server has detached, with the request and the bytes after it. */
interface UpgradedSocket {
  readonly request: IncomingMessage
  readonly socket: Duplex
  readonly head: Buffer
}

/** RFC 6455 section 7.4.1. */
const PROTOCOL_ERROR = 1002
const NO_CODE = 1005

const TRANSPORT = Symbol('transport')

/** An emitter with its transport, so that all connections share their listeners. */
interface Carrier {
  [TRANSPORT]: WebSocketTransport
}

const transportOf = (emitter: object): WebSocketTransport => (emitter as Carrier)[TRANSPORT]

/** Reports the start of its close, which `ws` does not. */
class PeerSocket extends WebSocket {
  [TRANSPORT]: WebSocketTransport | undefined

  /** `ws` also calls it to answer the peer's close frame. */
  override close(code?: number, reason?: string | Buffer): void {
    super.close(code, reason)
    this[TRANSPORT]?.onClosing(code)
  }
}

interface TransportContext {
  readonly maxBufferedBytes: number
  readonly turns: ReadingTurns
  readonly ends: PacedEnds
  readonly clock: Pick<Clock, 'monotonic'>
}

/** The reasons to pause reading, one bit each. */
const PAUSE_BITS = { unacked: 1, hook: 2, limit: 4 } as const satisfies Record<PauseReason, number>

export class WebSocketTransport extends SocketTransport implements IncomingTransport, ReaderOwner, EndingConnection {
  readonly #webSocket: PeerSocket
  readonly sink: Duplex
  readonly #context: TransportContext
  readonly #reader: PacedReader
  #isClosingItself = false
  /** The fault of the peer's frames, as the close code of the answer. */
  #faultCode: number | undefined
  #closingCode: number | undefined
  /** The peer has ended its side or has gone, and the server has not handled the end yet. */
  #isEndDue = false
  /** The bits of the reasons to pause reading that are in force. */
  #pauses = 0
  /** The number of bytes that were queued when the end began: a destroyed socket reports 0. */
  #unflushedBytes = 0
  #pongsReceived = 0
  listener: TransportListener | undefined

  constructor(webSocket: PeerSocket, socket: Duplex, context: TransportContext) {
    super()
    this.#webSocket = webSocket
    this.sink = socket
    this.#context = context
    this.#reader = new PacedReader(this, webSocket, { socket, ...context })
    context.ends.watch(socket, this)
    socket.on('data', onData)
    webSocket[TRANSPORT] = this
    ;(socket as Duplex & Carrier)[TRANSPORT] = this
    webSocket.on('message', onMessage)
    webSocket.on('pong', onPong)
    webSocket.on('close', onClose)
    webSocket.on('error', onError)
    socket.on('drain', onDrain)
  }

  /** Whether the client requested `lastcall.v1` and the server selected it. */
  get isStrict(): boolean {
    return this.#webSocket.protocol === SUBPROTOCOL
  }

  get isOpen(): boolean {
    if (this.#webSocket.readyState !== WebSocket.OPEN) return false
    // What the peer sent before its end is read first, as if the end had not come yet.
    return !this.#isEndDue || this.sink.readableLength > 0
  }

  get isFull(): boolean {
    return this.sink.writableNeedDrain
  }

  get bytesReceived(): number | undefined {
    return this.sink instanceof Socket ? this.sink.bytesRead : undefined
  }

  get pongsReceived(): number {
    return this.#pongsReceived
  }

  get isPaused(): boolean {
    return this.#pauses !== 0
  }

  get closingCode(): number | undefined {
    return this.#faultCode ?? this.#closingCode
  }

  get bufferedBytes(): number {
    return this.sink.destroyed ? this.#unflushedBytes : this.sink.writableLength
  }

  write(frames: Buffer): void {
    // No frame may follow a close frame (RFC 6455 section 5.5.1).
    if (!this.isOpen) return
    const { sink } = this
    const { maxBufferedBytes } = this.#context
    // Node emits `drain` only after a write that filled the socket. When MAX_BUFFERED is smaller than its buffer, one `welcome`
    // may exceed it, and the server would never read from the client.
    if (maxBufferedBytes < sink.writableHighWaterMark) sink.write(frames, this.#onWritten)
    else sink.write(frames)
    if (sink.writableLength > maxBufferedBytes) this.#webSocket.pause()
  }

  readonly #onWritten = (error: Error | null | undefined): void => {
    if (!error) this.#readOn()
  }

  ping(): void {
    this.write(PING_FRAME)
  }

  pause(reason: PauseReason): void {
    this.#pauses |= PAUSE_BITS[reason]
    this.#webSocket.pause()
  }

  resume(reason: PauseReason): void {
    this.#pauses &= ~PAUSE_BITS[reason]
    this.#readOn()
  }

  close(code: number, reason: string): void {
    this.#isClosingItself = true
    this.#webSocket.close(code, reason)
    this.#isClosingItself = false
    // The server must read the peer's answer: otherwise the socket ends with a reset, and the peer loses the frames on their
    // way.
    this.#pauses = 0
    this.#readOn()
    this.#unflushedBytes = this.sink.writableLength
  }

  terminate(): void {
    this.#unflushedBytes = this.bufferedBytes
    this.#webSocket.terminate()
  }

  #readOn(): void {
    this.#unflushedBytes = 0
    this.#reader.readOn()
  }

  get mayRead(): boolean {
    if (this.#pauses !== 0) return false
    return !this.isOpen || this.sink.writableLength <= this.#context.maxBufferedBytes
  }

  // ——— events of the socket

  onData(chunk: Buffer): void {
    this.#reader.onData(chunk)
  }

  onExtraFrames(count: number): void {
    this.listener?.onExtraFrames(count)
  }

  onMessage(data: Buffer, isBinary: boolean): void {
    if (isBinary) this.listener?.onBinary()
    else this.listener?.onText(data.toString())
  }

  /** The socket accepts writes again. */
  onDrain(): void {
    this.#readOn()
    this.listener?.onAlive()
    this.listener?.onDrain()
  }

  onClosing(code = NO_CODE): void {
    this.#closingCode ??= code
    // `ws` closes by itself when it has read a close frame or an invalid frame, and then removes its listener from the socket.
    if (!this.#isClosingItself) this.#reader.stop()
    this.listener?.onClosing()
  }

  /** `ws` has closed the connection with the right code. Only after that may the peer's own close frame be missing. */
  onPong(): void {
    this.#pongsReceived++
    this.listener?.onAlive()
  }

  onError(error: Error & { readonly code?: string }): void {
    if (error.code === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH') this.#faultCode = CLOSE_CODES.tooLarge
    else if (error.code === 'WS_ERR_INVALID_UTF8') this.#faultCode = CLOSE_CODES.invalidText
    else if (error.code?.startsWith('WS_ERR_')) this.#faultCode = PROTOCOL_ERROR
  }

  /** A peer that is gone holds no name and gets nothing more, though its end waits for its turn. */
  onEndDue(): void {
    this.#isEndDue = true
  }

  onClose(code: number): void {
    this.#context.ends.forget(this.sink)
    this.#reader.end()
    this.listener?.onClosed(this.#faultCode ?? code)
  }
}

function onData(this: Duplex, chunk: Buffer): void {
  transportOf(this).onData(chunk)
}

function onMessage(this: WebSocket, data: WebSocket.RawData, isBinary: boolean): void {
  transportOf(this).onMessage(data as Buffer, isBinary)
}

function onPong(this: WebSocket): void {
  transportOf(this).onPong()
}

function onClose(this: WebSocket, code: number): void {
  transportOf(this).onClose(code)
}

function onError(this: WebSocket, error: Error): void {
  transportOf(this).onError(error)
}

function onDrain(this: Duplex): void {
  transportOf(this).onDrain()
}
