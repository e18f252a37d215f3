/**
 * WebSocket clients over plain sockets: they send text frames and hand over the bytes that they receive. A load must cost less
 * than the server that it measures, so a client parses no frame.
 */
import { randomBytes } from 'node:crypto'
import { connect, type Socket } from 'node:net'
import { textFrame } from './frames.js'

const END_OF_HEADERS = '\r\n\r\n'

export interface LoadTarget {
  /** Of 127.0.0.1. */
  readonly port: number
  /** `openClients` puts the number of the client, from 0, in place of `%d`. */
  readonly path: string
  /** The text frame that each client sends first. Default: none. */
  readonly hello?: string
}

export interface LoadClient {
  readonly socket: Socket
  /** Sends one text frame. */
  readonly send: (text: string) => void
}

/** Opens one client. `onData` gets all bytes that follow the handshake, the first of them before the promise resolves. */
export function openClient(
  { port, path, hello }: LoadTarget,
  onData: (data: Buffer, client: LoadClient) => void,
): Promise<LoadClient> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.setNoDelay()
      socket.write(
        `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
          `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}\r\nSec-WebSocket-Version: 13${END_OF_HEADERS}`,
      )
    })
    const send = (text: string): void => void socket.write(textFrame(text))
    const client = { socket, send }
    let isOpen = false
    let answer = Buffer.alloc(0)
    socket.on('error', reject)
    socket.on('data', (data) => {
      if (isOpen) {
        onData(data, client)
        return
      }
      answer = Buffer.concat([answer, data])
      const end = answer.indexOf(END_OF_HEADERS)
      if (end < 0) return
      if (!answer.subarray(0, end).includes('101 Switching')) {
        reject(new Error(answer.toString()))
        return
      }
      isOpen = true
      if (hello !== undefined) send(hello)
      resolve(client)
      onData(answer.subarray(end + END_OF_HEADERS.length), client)
    })
  })
}

/** Opens `count` clients, `atOnce` of them at a time. `onData` gets the number of the client, from 0, as well. */
export async function openClients(
  count: number,
  target: LoadTarget,
  onData: (data: Buffer, number: number) => void,
  atOnce = 50,
): Promise<LoadClient[]> {
  const clients: LoadClient[] = []
  while (clients.length < count) {
    const batch = Array.from({ length: Math.min(atOnce, count - clients.length) }, (_, index) => {
      const number = clients.length + index
      const path = target.path.replace('%d', String(number))
      return openClient({ ...target, path }, (data) => onData(data, number))
    })
    clients.push(...(await Promise.all(batch)))
  }
  return clients
}
