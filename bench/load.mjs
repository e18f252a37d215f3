/**
 * A load of plain sockets: opens clients, has some of them publish, counts what everybody gets. Reads frames only as far
 * as it must to count, so that the load costs less than what it measures.
 */
import { randomBytes } from 'node:crypto'
import { connect } from 'node:net'

/** One text frame of a client (RFC 6455 section 5.2), masked with zeros. */
export function frame(text) {
  const payload = Buffer.from(text)
  const head =
    payload.length < 126
      ? Buffer.from([0x81, 0x80 | payload.length, 0, 0, 0, 0])
      : Buffer.from([0x81, 0xfe, payload.length >> 8, payload.length & 255, 0, 0, 0, 0])
  return Buffer.concat([head, payload])
}

/** Opens one client. `onData` gets whatever comes after the handshake. */
export function openClient({ port, path, hello }, onData) {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.setNoDelay()
      socket.write(
        `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
          `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}\r\nSec-WebSocket-Version: 13\r\n\r\n`,
      )
    })
    let isOpen = false
    let answer = Buffer.alloc(0)
    socket.on('error', reject)
    socket.on('data', (data) => {
      if (isOpen) return onData(data)
      answer = Buffer.concat([answer, data])
      const end = answer.indexOf('\r\n\r\n')
      if (end < 0) return
      if (!answer.subarray(0, end).includes('101 Switching')) return reject(new Error(answer.toString()))
      isOpen = true
      if (hello) socket.write(frame(hello))
      resolve({ socket, say: (text) => socket.write(frame(text)) })
      onData(answer.subarray(end + 4))
    })
  })
}

/** Opens `count` clients, so many at a time. */
export async function openClients(count, options, onData, atOnce = 50) {
  const clients = []
  while (clients.length < count) {
    const batch = Array.from({ length: Math.min(atOnce, count - clients.length) }, (_, index) => {
      const number = clients.length + index
      return openClient({ ...options, path: options.path.replace('%d', String(number)) }, (data) =>
        onData(data, number),
      )
    })
    clients.push(...(await Promise.all(batch)))
  }
  return clients
}

/** How often the mark occurs in what one client gets, also where it is cut by the network. */
export class MarkCounter {
  #mark
  #tail = Buffer.alloc(0)

  constructor(mark) {
    this.#mark = Buffer.from(mark)
  }

  count(data) {
    const bytes = this.#tail.length > 0 ? Buffer.concat([this.#tail, data]) : data
    let found = 0
    let from = 0
    for (let at = bytes.indexOf(this.#mark); at >= 0; at = bytes.indexOf(this.#mark, from)) {
      found++
      from = at + this.#mark.length
    }
    this.#tail = bytes.subarray(Math.max(from, bytes.length - this.#mark.length + 1))
    return found
  }
}
