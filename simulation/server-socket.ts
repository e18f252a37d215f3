/**
 * The server's side of a simulated connection, in place of `ws` and a socket.
 */
import { UTF8_ENCODING, type TransportEncoding } from '#server/connections/encoding.js'
import type { IncomingTransport, PauseReason, TransportListener } from '#server/connections/transport.js'
import { decodeTextFrame, encodeTextFrame } from '#server/websocket/frame.js'
import { decodeClose, encodeClose, encodeControl, FrameReader, OPCODES, type Frame } from './frames.js'
import type { Pipe } from './pipe.js'

const ENCODING: TransportEncoding = {
  name: 'simulated',
  encode: encodeTextFrame,
  decode: decodeTextFrame,
  createGroup: () => UTF8_ENCODING.createGroup(),
}

const ABNORMAL = 1006

export class ServerSocket implements IncomingTransport {
  readonly encoding = ENCODING
  readonly isStrict = true
  listener: TransportListener | undefined
  bytesReceived = 0
  pongsReceived = 0
  readonly #out: Pipe
  readonly #in: Pipe
  readonly #highWaterBytes: number
  readonly #soon: (callback: () => void) => void
  readonly #frames = new FrameReader()
  readonly #pauses = new Set<PauseReason>()
  #state: 'open' | 'closing' | 'closed' = 'open'
  #closingCode: number | undefined
  #needsDrain = false

  /** @param highWaterBytes Above this number of buffered bytes the socket is full. */
  constructor(
    pipes: { readonly out: Pipe; readonly in: Pipe },
    highWaterBytes: number,
    soon: (callback: () => void) => void,
  ) {
    this.#out = pipes.out
    this.#in = pipes.in
    this.#highWaterBytes = highWaterBytes
    this.#soon = soon
  }

  get isFull(): boolean {
    return this.#needsDrain
  }

  get bufferedBytes(): number {
    return this.#out.queuedBytes
  }

  get isOpen(): boolean {
    return this.#state === 'open'
  }

  get isPaused(): boolean {
    return this.#pauses.size > 0
  }

  get closingCode(): number | undefined {
    return this.#closingCode
  }

  write(frames: Buffer): void {
    if (!this.isOpen) return
    this.#out.write(frames)
    this.#needsDrain ||= this.#out.queuedBytes > this.#highWaterBytes
  }

  ping(): void {
    this.write(encodeControl(OPCODES.ping))
  }

  pause(reason: PauseReason): void {
    this.#pauses.add(reason)
    this.#in.isRead = false
  }

  resume(reason: PauseReason): void {
    if (this.#pauses.delete(reason) && this.#pauses.size === 0) this.#in.isRead = true
  }

  close(code: number, reason: string): void {
    if (!this.isOpen) return
    this.#out.write(encodeClose(code, reason))
    this.#beginClosing(code)
    this.#pauses.clear()
    this.#in.isRead = true
  }

  terminate(): void {
    if (this.#state === 'closed') return
    this.#out.end()
    this.#soon(() => this.#closed(ABNORMAL))
  }

  // ——— events of the network

  onBytes(bytes: Buffer): void {
    this.bytesReceived += bytes.length
    for (const frame of this.#frames.read(bytes)) this.#take(frame)
  }

  /** The client has ended its side, or the network has cut the connection. */
  onEnd(): void {
    this.#closed(ABNORMAL)
  }

  /** The process of the server has ended: the operating system resets its connections. */
  onProcessEnd(): void {
    this.#state = 'closed'
    this.#in.cut()
    this.#out.reset()
  }

  onDrain(): void {
    if (!this.#needsDrain || this.#state === 'closed') return
    this.#needsDrain = false
    this.listener?.onAlive()
    this.listener?.onDrain()
  }

  #take(frame: Frame): void {
    if (this.#state === 'closed') return
    if (frame.opcode === OPCODES.pong) {
      this.pongsReceived++
      this.listener?.onAlive()
    } else if (frame.opcode === OPCODES.close) this.#takeClose(decodeClose(frame).code)
    else if (this.isOpen) this.listener?.onText(frame.payload.toString())
  }

  #takeClose(code: number): void {
    if (this.isOpen) {
      this.#out.write(encodeClose(code, ''))
      this.#beginClosing(code)
    }
    this.#out.end()
    this.#closed(code)
  }

  #beginClosing(code: number): void {
    this.#state = 'closing'
    this.#closingCode = code
    this.listener?.onClosing()
  }

  #closed(code: number): void {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    this.#in.cut()
    this.listener?.onClosed(code)
  }
}
