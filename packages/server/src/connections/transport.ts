/**
 * What a connection needs of its socket. The WebSocket side implements it; tests and other transports may too.
 */
import type { TransportEncoding } from './encoding.js'

/**
 * Why a peer is not read from: too many of its messages are on their way into the journal, a hook is asked about one, or
 * it has used up a budget.
 */
export type PauseReason = 'unacked' | 'hook' | 'limit'

export interface Transport {
  /** How texts become frames here, and how many connections are written to at once. Default: UTF8_ENCODING. */
  readonly encoding?: TransportEncoding
  /** Writes whole frames, after all that was written before. After the end of the socket: does nothing. */
  write(frames: Buffer): void
  /** The socket takes no more without queueing: wait for `onDrain`. */
  readonly isFull: boolean
  /** Bytes that were written and that the operating system has not taken yet. */
  readonly bufferedBytes: number
  /** Whether it can still be written to. */
  readonly isOpen: boolean
  /** Bytes that have arrived from the peer. A transport that cannot tell leaves it out. */
  readonly bytesReceived?: number | undefined
  /** Whether `pause` is in force. Default: no. */
  readonly isPaused?: boolean
  /** The code of the close frame that is on its way, ours or the answer to the peer's. 1005: it has none. */
  readonly closingCode?: number | undefined
  /** Asks for a sign of life (`onAlive`). */
  ping(): void
  /** Stops reading, so that the peer feels it (TCP backpressure). What had been read already may still be reported. */
  pause(reason: PauseReason): void
  /** This reason is over: reads on if there is no other. */
  resume(reason: PauseReason): void
  /** Polite: ends every pause, sends what is queued and a close frame, then waits for the peer's, as long as CLOSE_TIMEOUT. */
  close(code: number, reason: string): void
  /** Abrupt. */
  terminate(): void
}

/** What a socket tells its connection. */
export interface TransportListener {
  onText(text: string): void
  /** So many frames arrive that begin no message: pings, pongs, small fragments. Told before what they bring. */
  onExtraFrames(count: number): void
  /** A frame the protocol does not have. */
  onBinary(): void
  /** A pong came, or the peer took what was queued. */
  onAlive(): void
  /** The socket takes more again. */
  onDrain(): void
  /** A close frame is on its way, ours or the answer to the peer's: nothing may follow (RFC 6455 section 5.5.1). */
  onClosing(): void
  /** The end, once. 1006: without a close frame of the peer. */
  onClosed(code: number): void
}

/** A transport that a front has accepted. The listener may be set later, but in the same turn of the event loop. */
export interface IncomingTransport extends Transport {
  /** Whether the client asked for the strict dialect (`lastcall.v1`) and got it. */
  readonly isStrict: boolean
  listener: TransportListener | undefined
}
