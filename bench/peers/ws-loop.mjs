// What most people write first: ws, and a loop over its clients.
import { WebSocketServer } from 'ws'

const server = new WebSocketServer({ port: Number(process.argv[2]), host: '127.0.0.1', perMessageDeflate: false })
server.on('connection', (socket) => {
  socket.on('message', (data) => {
    const text = data.toString()
    for (const client of server.clients) client.send(text)
  })
})
