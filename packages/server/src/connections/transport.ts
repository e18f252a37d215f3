/**
 * The interface of a connection's socket. `websocket/` implements it; tests and other transports may, too.
 */
import type { TransportEncoding } from './encoding.js'

/**
 * Why the server pauses reading from a peer: too many of its messages are on their way into the journal, a hook decides on one,
 * or the peer has used up a budget.
 */
export type PauseReason = 'unacked' | 'hook' | 'limit'

export interface Transport {
  /** How this transport encodes texts, and writes to many connections at once. Default: UTF8_ENCODING. */
  readonly encoding?: TransportEncoding
  /** Writes complete frames, after all earlier writes. After the end of the socket it does nothing. */
  write(frames: Buffer): void
  /** The socket is full: wait for `onDrain`. */
  readonly isFull: boolean
  /** Bytes that the operating system has not accepted yet. */
  readonly bufferedBytes: number
  /** Whether writes are still possible. */
  readonly isOpen: boolean
  /** Bytes received from the peer. A transport that cannot count them omits this. */
  readonly bytesReceived?: number | undefined
  /** Pongs received from the peer. A transport that cannot count them omits this. */
  readonly pongsReceived?: number
  /** Whether `pause` is in force. Default: no. */
  readonly isPaused?: boolean
  /** The code of the close frame that was sent, as the server's own or as the answer to the peer's. 1005: it has none. */
  readonly closingCode?: number | undefined
  /** Requests a sign of life (`onAlive`). */
  ping(): void
  /** Pauses reading, so that TCP backpressure reaches the peer. The transport may still report data that it has read already. */
  pause(reason: PauseReason): void
  /** Ends this reason, and continues reading if there is no other one. */
  resume(reason: PauseReason): void
  /**
   * Closes politely: ends every pause, sends queued bytes and a close frame, then waits for the peer's close frame for
   * CLOSE_TIMEOUT.
   */
  close(code: number, reason: string): void
  /** Destroys the socket. */
  terminate(): void
}

/** The events of a socket. */
export interface TransportListener {
  onText(text: string): void
  /** This number of frames arrived that begin no message: pings, pongs, small fragments. Called before their effects. */
  onExtraFrames(count: number): void
  /** A frame that the protocol does not allow. */
  onBinary(): void
  /** A pong arrived, or the peer accepted queued bytes. */
  onAlive(): void
  /** The socket accepts writes again. */
  onDrain(): void
  /** A close frame was sent, the server's own or the answer to the peer's: no frame may follow (RFC 6455 section 5.5.1). */
  onClosing(): void
  /** The end of the socket, once. 1006: the peer sent no close frame. */
  onClosed(code: number): void
}

/** A transport that a front has accepted. The listener may be set later, but in the same turn of the event loop. */
export interface IncomingTransport extends Transport {
  /** Whether the client requested the subprotocol `lastcall.v1` and the server selected it. */
  readonly isStrict: boolean
  listener: TransportListener | undefined
}
