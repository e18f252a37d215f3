/**
 * A transport whose socket can be handed to another process. `websocket/` implements it for plain TCP; `handover/` decides
 * when a connection is handed over.
 */
import type { IncomingTransport, Transport } from './transport.js'

/** The descriptor of a socket, as Node passes it between processes. Opaque here. */
export interface SocketHandle {
  /** Closes the descriptor of this process. The copies of other processes stay open. */
  close(): void
}

/** `later`: bytes wait to be written, or a text waits to be handled. `never`: TLS, a close in progress, an ended peer. */
export type Transferability = 'now' | 'later' | 'never'

export interface ReleasedSocket {
  readonly handle: SocketHandle
  /** The bytes that were read from the socket and not handled, from the start of a message on. */
  readonly head: Buffer
}

export interface TransferableTransport extends IncomingTransport {
  readonly transferability: Transferability
  /**
   * Detaches the transport from its socket. From then on every method of the transport does nothing, and it emits no event.
   * Its `transferability` must be `now`.
   */
  release(): ReleasedSocket
}

export const transferableOf = (transport: Transport): TransferableTransport | undefined =>
  'transferability' in transport ? (transport as TransferableTransport) : undefined
