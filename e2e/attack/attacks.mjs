/**
 * The attacks: what each is, what it prepares, and what one attacking connection does until the time is over. The answer of
 * `run` counts what it did.
 */
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { CONTINUATION, filled, frame, open, PING, PONG, text, TEXT } from './frames.mjs'

/** Sends the same bytes again and again, as fast as the server takes them, and reads what comes. */
async function pour(socket, bytes, isOver) {
  let sent = 0
  let received = 0
  socket.on('data', (data) => (received += data.length))
  await new Promise((resolve) => {
    socket.on('close', resolve)
    const next = () => {
      if (isOver()) return resolve()
      sent += bytes.length
      socket.write(bytes, next)
    }
    next()
    // A server that reads nothing calls nobody back.
    const looking = setInterval(() => {
      if (!isOver()) return
      clearInterval(looking)
      resolve()
    }, 50)
  })
  return { 'KB handed to the socket': sent / 1024, 'KB read by the socket': received / 1024 }
}

/** One connection, under a name of its own, that pours what `make` makes. */
const pouring = (make) => ({
  async run({ port, index, isOver }) {
    const socket = await open(port, `/ws/attacker-${index}`)
    if (!socket) return { rejected: 1 }
    const counts = await pour(socket, filled(make), isOver)
    socket.destroy()
    return counts
  },
})

const channelNames = (from) => Array.from({ length: 99 }, (_, index) => `room-${(from + index) % 5000}`)

/** Publishes a megabyte of history, by clients that keep to their limit. */
async function publishHistory(port) {
  const bytes = filled(() => text({ type: 'message', data: 'x'.repeat(16_000) }), 50 * 16_000)
  const sockets = await Promise.all(Array.from({ length: 10 }, (_, index) => open(port, `/ws/author-${index}`)))
  for (const socket of sockets) {
    socket?.resume()
    socket?.write(bytes)
  }
  await sleep(2000)
  for (const socket of sockets) socket?.destroy()
}

export const ATTACKS = {
  flood: {
    what: 'messages as fast as the server reads them',
    ...pouring((index) => text({ type: 'message', data: 'spam', ...(index % 2 === 0 && { id: `m-${index}` }) })),
  },
  wrong: {
    what: 'wrong messages and pings in turn, which the limit of wrong messages in a row does not end',
    ...pouring((index) => text({ type: index % 2 === 0 ? 'ping' : 'direct' })),
  },
  empty: {
    what: 'empty texts',
    ...pouring(() => frame(TEXT)),
  },
  pings: {
    what: 'WebSocket pings, pongs and pings of the protocol',
    ...pouring((index) => [frame(PING, 'p'), frame(PONG), text({ type: 'ping' })][index % 3]),
  },
  fragments: {
    what: 'one message of endless fragments that hold nothing',
    ...pouring((index) => frame(index === 0 ? TEXT : CONTINUATION, '', { fin: false })),
  },
  channels: {
    what: 'subscribing to 99 channels, leaving them, and handshakes that name 99 channels',
    async run({ port, index, isOver }) {
      let handshakes = 0
      const turns = async () => {
        while (!isOver()) {
          const socket = await open(port, `/ws/turner-${index}?channels=${channelNames(handshakes).join(',')}`)
          socket?.destroy()
          handshakes++
          if (!socket) await sleep(10)
        }
      }
      const churn = pouring((round) =>
        text({
          type: round % 2 === 0 ? 'subscribe' : 'unsubscribe',
          channels: channelNames(Math.floor(round / 2) * 99),
        }),
      )
      const [counts] = await Promise.all([churn.run({ port, index, isOver }), turns()])
      return { ...counts, handshakes }
    },
  },
  resume: {
    what: 'reading the retained history again and again',
    prepare: publishHistory,
    async run({ port, index, isOver }) {
      const socket = await open(port, `/ws/attacker-${index}`)
      if (!socket) return { rejected: 1 }
      const welcome = await new Promise((resolve) => {
        let head = ''
        const read = (data) => {
          head += data.toString('latin1')
          const epoch = /"cursor":"([^:"]+):/.exec(head)
          if (epoch) resolve(epoch[1])
        }
        socket.on('data', read)
        socket.write(text({ type: 'subscribe', channels: ['lobby'] }))
        socket.on('close', () => resolve(undefined))
      })
      socket.removeAllListeners('data')
      const make = () => text({ type: 'subscribe', channels: ['lobby'], since: `${welcome}:0` })
      const counts = await pour(socket, filled(make, 4000), isOver)
      socket.destroy()
      return counts
    },
  },
  presence: {
    what: 'clients that come and go as fast as they can',
    async run({ port, index, isOver }) {
      let handshakes = 0
      while (!isOver()) {
        const sockets = await Promise.all(
          Array.from({ length: 10 }, (_, number) => open(port, `/ws/visitor-${index}-${number}-${handshakes % 100}`)),
        )
        handshakes += sockets.length
        for (const socket of sockets) socket?.destroy()
      }
      return { handshakes }
    },
  },
  'keep-alive': {
    what: 'idle HTTP connections',
    async run({ port, isOver }) {
      const sockets = []
      while (!isOver()) {
        const socket = connect(port, '127.0.0.1')
        socket.on('error', () => undefined)
        socket.resume()
        socket.write('GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n')
        sockets.push(socket)
        await sleep(20)
      }
      const open = sockets.filter((socket) => !socket.destroyed).length
      for (const socket of sockets) socket.destroy()
      return { connections: sockets.length, 'still open at the end': open }
    },
  },
}
