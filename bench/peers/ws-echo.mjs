/**
 * Sends each message back over `ws`: the bare round trip of a WebSocket. The parent process receives its port.
 */
import { WebSocketServer } from 'ws'

const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false })
server.on('connection', (socket) => socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary })))
server.on('listening', () => {
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the server does not listen on a port')
  process.send?.(address.port)
})
process.on('disconnect', () => process.exit())
