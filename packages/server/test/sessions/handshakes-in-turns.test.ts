/**
 * Handshakes that arrive together: in order, and not all in one turn of the event loop.
 */
import { once } from 'node:events'
import { connect } from 'node:net'
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

test('handshakes that arrive in one turn are answered in several, in their order', async () => {
  const server = await startServer({ presenceIntervalMs: 0 })
  const turnOf = countTurns()
  const admitted: { clientId: string; turn: number }[] = []
  server.connections.observe({
    onConnect({ clientId }) {
      admitted.push({ clientId, turn: turnOf() })
      // What a handshake costs on a slow machine: three of them take longer than a turn may.
      for (const endsAt = performance.now() + 4; performance.now() < endsAt;);
    },
  })
  const sockets = await Promise.all(
    Array.from({ length: 30 }, async () => {
      const socket = connect(server.port, server.host)
      onTestFinished(() => void socket.destroy())
      await once(socket, 'connect')
      return socket
    }),
  )
  const welcomes = sockets.map((socket) => once(socket, 'data'))
  for (const [index, socket] of sockets.entries()) socket.write(handshake(`/ws/c${String(index)}`))
  await Promise.all(welcomes)

  expect(admitted.map(({ clientId }) => clientId)).toEqual(sockets.map((_, index) => `c${String(index)}`))
  const inTurn = new Map<number, number>()
  for (const { turn } of admitted) inTurn.set(turn, (inTurn.get(turn) ?? 0) + 1)
  expect(Math.max(...inTurn.values())).toBeLessThanOrEqual(3)
})
