/**
 * Moves a socket between processes: detaches it from Node's stream in the process that gives it away, and puts a stream on it
 * in the process that receives it. The stream classes of Node have no interface for the first part, so this file uses the
 * handle beneath the socket (docs/adr/0023).
 */
import { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { SUBPROTOCOL } from '@lastcall/protocol'
import type { ReleasedSocket, SocketHandle, Transferability } from '../connections/transferable.js'
import { invariant } from '../invariant.js'

/** The most received bytes that travel with a connection. A client that is in the middle of a longer message stays. */
const MAX_HEAD_BYTES = 64 * 1024

/** The handle of a TCP socket. */
interface TcpHandle extends SocketHandle {
  readStop(): number
  /** The bytes that the operating system has not accepted yet. */
  readonly writeQueueSize: number
}

/** A socket with its handle, which Node keeps in this field. */
interface WithHandle {
  _handle?: object | null
}

/** Whether this socket itself can be detached now. */
export function socketTransferability(socket: Duplex): Transferability {
  if (!(socket instanceof Socket) || socket.destroyed || 'encrypted' in socket) return 'never'
  if (socket.writableEnded || socket.readableEnded) return 'never'
  const handle = handleOf(socket)
  if (!handle) return 'never'
  const isWriting = socket.writableLength > 0 || socket.writableCorked > 0 || handle.writeQueueSize > 0
  return isWriting || socket.readableLength > MAX_HEAD_BYTES ? 'later' : 'now'
}

/**
 * Detaches the socket: its stream ends without closing the descriptor, so that its server counts it as ended.
 *
 * @param buffered What the parser has read of an incomplete message.
 */
export function releaseSocket(socket: Duplex, buffered: Buffer): ReleasedSocket {
  const handle = handleOf(socket)
  invariant(handle, 'the socket can be detached')
  handle.readStop()
  // Without its handle the stream neither starts to read again nor closes the descriptor.
  ;(socket as WithHandle)._handle = null
  const head = [buffered]
  for (let chunk: unknown; (chunk = socket.read()) !== null;) head.push(chunk as Buffer)
  socket.destroy()
  return { handle, head: Buffer.concat(head) }
}

function handleOf(socket: Duplex): TcpHandle | undefined {
  const handle = (socket as WithHandle)._handle
  return isTcpHandle(handle) ? handle : undefined
}

const isTcpHandle = (handle: object | null | undefined): handle is TcpHandle =>
  typeof handle === 'object' &&
  handle !== null &&
  handle.constructor.name === 'TCP' &&
  'readStop' in handle &&
  'writeQueueSize' in handle

/** The stream of a socket that another process has detached. It reads nothing before `resume`. */
export function adoptSocket(handle: SocketHandle): Socket {
  const options = { handle, readable: true, writable: true, allowHalfOpen: true, pauseOnCreate: true }
  return new Socket(options)
}

/** The answer to it is not sent: the client has completed its handshake in another process. */
export function fabricatedHandshake(socket: Socket, isStrict: boolean): IncomingMessage {
  const request = new IncomingMessage(socket)
  request.method = 'GET'
  request.headers = {
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': Buffer.alloc(16).toString('base64'),
    ...(isStrict && { 'sec-websocket-protocol': SUBPROTOCOL }),
  }
  return request
}

/** Calls `action` while the socket accepts writes and drops them. */
export function withoutWriting(socket: Socket, action: () => void): void {
  socket.write = () => true
  try {
    action()
  } finally {
    // The method of the class becomes visible again.
    Reflect.deleteProperty(socket, 'write')
  }
}
