// Socket.IO, WebSocket transport only, one room of everybody.
import { createServer } from 'node:http'
import { Server } from 'socket.io'

const http = createServer()
const io = new Server(http, { transports: ['websocket'] })
io.on('connection', (socket) => socket.on('m', (data) => io.emit('m', data)))
http.listen(Number(process.argv[2]), '127.0.0.1')
