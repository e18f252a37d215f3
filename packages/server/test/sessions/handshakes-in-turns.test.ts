/**
 * Handshakes that arrive together: in order, and not all in one turn of the event loop.
 */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { handshake } from '../support/raw-client.js'
import { startServer } from '../support/test-server.js'

/** The number of the present turn of the event loop, while the test runs. */
function countTurns(): () => number {
  let turn = 0
  let isOver = false
  setImmediate(function next() {
    turn++
    if (!isOver) setImmediate(next)
  })
  onTestFinished(() => {
    isOver = true
  })
  return () => turn
}

/** A connection that the server has accepted: it accepts one in a turn, whose handshake would arrive in a turn of its own. */
async function connection(port: number, host: string): Promise<Socket> {
  const socket = connect(port, host)
  onTestFinished(() => void socket.destroy())
  socket.write('GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n')
  await once(socket, 'data')
  return socket
}

test.each([
  { which: 'handshakes', query: '' },
  { which: 'handshakes that wait for a check', query: '?cursor=another:7' },
])('$which that arrive in one turn are answered in several, in their order', async ({ query }) => {
  const server = await startServer({ presenceIntervalMs: 0 })
  const turnOf = countTurns()
  const admitted: { clientId: string; turn: number }[] = []
  server.connections.observe({
    onConnect({ clientId }) {
      admitted.push({ clientId, turn: turnOf() })
      // The cost of a handshake on a slow machine: three of them take longer than a turn may.
      for (const endsAt = performance.now() + 4; performance.now() < endsAt;);
    },
  })
  const sockets = await Promise.all(Array.from({ length: 30 }, () => connection(server.port, server.host)))
  for (const [index, socket] of sockets.entries()) socket.write(handshake(`/ws/c${String(index)}${query}`))
  await expect.poll(() => admitted.length).toBe(sockets.length)

  expect(admitted.map(({ clientId }) => clientId)).toEqual(sockets.map((_, index) => `c${String(index)}`))
  const inTurn = new Map<number, number>()
  for (const { turn } of admitted) inTurn.set(turn, (inTurn.get(turn) ?? 0) + 1)
  expect(Math.max(...inTurn.values())).toBeLessThanOrEqual(3)
})
