/** Frames and handshakes as bytes, for attackers: a library would follow the rules. */
import { randomBytes } from 'node:crypto'
import { connect } from 'node:net'

export const TEXT = 1
export const CONTINUATION = 0
export const PING = 9
export const PONG = 10

/** A frame of a client (RFC 6455 section 5.2), masked with zeros. */
export function frame(opcode, payload = '', { fin = true } = {}) {
  const data = Buffer.from(payload)
  const first = (fin ? 0x80 : 0) | opcode
  const head =
    data.length < 126
      ? Buffer.from([first, 0x80 | data.length, 0, 0, 0, 0])
      : Buffer.from([first, 0xfe, data.length >> 8, data.length & 255, 0, 0, 0, 0])
  return Buffer.concat([head, data])
}

export const text = (message) => frame(TEXT, JSON.stringify(message))

/** Repeats what `make` makes until it fills about so many bytes. */
export function filled(make, bytes = 64 * 1024) {
  const parts = []
  for (let length = 0, index = 0; length < bytes; index++) {
    const part = make(index)
    parts.push(part)
    length += part.length
  }
  return Buffer.concat(parts)
}

/** Connects and asks for a WebSocket. Resolves with the socket when something is answered, or with `undefined`. */
export function open(port, path) {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.setNoDelay()
      socket.write(
        `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
          `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}\r\nSec-WebSocket-Version: 13\r\n\r\n`,
      )
    })
    socket.on('error', () => resolve(undefined))
    socket.on('close', () => resolve(undefined))
    socket.once('data', () => resolve(socket))
  })
}
