/**
 * HTTP answers written to a bare socket: to rejected handshakes, and to input that is not HTTP.
 */
import { STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import { systemClock } from '../clock.js'
import type { HttpRejection } from '../connections/front.js'
import type { HeaderFields } from './security-headers.js'

/** How long a peer may keep the connection after it has received its answer. */
const LINGER_MS = 1000

/** Answers a handshake with a status and a text, and closes the connection. */
export function rejectHandshake(socket: Duplex, { status, text, retryInMs }: HttpRejection, more: HeaderFields): void {
  answerAndClose(socket, status, `${text}\n`, {
    'Content-Type': 'text/plain; charset=utf-8',
    ...(retryInMs !== undefined && { 'Retry-After': String(Math.ceil(retryInMs / 1000)) }),
    ...more,
  })
}

/** Answers, and reads until the peer's end: a socket that is not read never ends. */
export function answerAndClose(socket: Duplex, status: number, body: string, fields: HeaderFields): void {
  socket.on('error', ignore)
  socket.once(
    'close',
    systemClock.after(LINGER_MS, () => socket.destroy()),
  )
  socket.resume()
  const all = { Connection: 'close', 'Content-Length': String(Buffer.byteLength(body)), ...fields }
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`)
  socket.end(`HTTP/1.1 ${String(status)} ${STATUS_CODES[status] ?? ''}\r\n${lines.join('')}\r\n${body}`)
}

function ignore(): void {
  // A peer that resets the connection needs no answer.
}
