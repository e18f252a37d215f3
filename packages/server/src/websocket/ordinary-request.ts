/**
 * Returns a request to its HTTP server as an ordinary one. Once a listener to `upgrade` exists, Node detaches the socket from
 * HTTP for every protocol that a request offers. A server that does not support the offered protocol ignores the offer and
 * answers the request (RFC 9110 section 7.8).
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { Server as TlsServer } from 'node:https'
import type { Duplex } from 'node:stream'

/** A response to an earlier request of this connection. Node stores it there until it is finished. */
interface WithResponse {
  readonly _httpMessage?: ServerResponse | null
}

/** @param head The bytes after the header section: the start of the body. */
export function handBack(server: Server, request: IncomingMessage, socket: Duplex, head: Buffer): void {
  const handOver = (): void => {
    if (socket.destroyed) return
    socket.unshift(Buffer.concat([headOf(request), head]))
    // Node documents this use of `connection`. On TLS the handshake is complete already.
    server.emit(server instanceof TlsServer ? 'secureConnection' : 'connection', socket)
  }
  const { _httpMessage: earlier } = socket as Duplex & WithResponse
  // Responses follow the order of their requests, and the server would not know of the earlier one.
  if (!earlier) return handOver()
  socket.on('error', ignore)
  earlier.once('close', () => {
    socket.off('error', ignore)
    handOver()
  })
}

function ignore(): void {
  // The running response detects the end of the socket by itself.
}

/** The header section as the client sent it, without the offer of another protocol. */
function headOf({ method = 'GET', url = '/', httpVersion, rawHeaders }: IncomingMessage): Buffer {
  const lines = [`${method} ${url} HTTP/${httpVersion}`]
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] ?? ''
    const value = rawHeaders[index + 1] ?? ''
    switch (name.toLowerCase()) {
      case 'upgrade':
      case 'http2-settings':
        break
      case 'connection': {
        const kept = withoutUpgrade(value)
        if (kept !== '') lines.push(`${name}: ${kept}`)
        break
      }
      default:
        lines.push(`${name}: ${value}`)
    }
  }
  // Node decodes the header section as Latin-1.
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1')
}

function withoutUpgrade(connection: string): string {
  const options = connection.split(',').map((option) => option.trim())
  const kept = options.filter((option) => !['upgrade', 'http2-settings'].includes(option.toLowerCase()))
  return kept.join(', ')
}
