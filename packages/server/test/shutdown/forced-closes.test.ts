/** Forced closes: how many connections one turn of the event loop closes when the deadline has come. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { ConnectionManager } from '../../src/connections/connection-manager.js'
import { ForcedCloses, countWaiting } from '../../src/shutdown/forced-closes.js'
import { GracefulShutdownManager } from '../../src/shutdown/graceful-shutdown-manager.js'
import { FakeClock } from '../support/fake-clock.js'
import { FakeTransport } from '../support/fake-transport.js'

const MAX_A_TURN = 128

function crowd(count: number, clock = new FakeClock()) {
  const connections = new ConnectionManager({ clock, heartbeatIntervalSeconds: 86_400 })
  const transports = Array.from({ length: count }, () => new FakeTransport())
  for (const [index, transport] of transports.entries()) connections.connect(transport, `client-${String(index)}`)
  const closed = (): number => transports.filter(({ isOpen }) => !isOpen).length
  return { clock, connections, transports, closed }
}

test('a tick without time left closes 128 connections and says that more are due', () => {
  const { connections, clock } = crowd(300)
  const closes = new ForcedCloses(connections.all(), clock.monotonic())
  const made: number[] = []
  for (let isMore = true; isMore;) {
    let count = 0
    isMore = closes.closeDue(1, countWaiting(connections), 10, (connection) => {
      connection.serverClose = 'deadline'
      count++
    })
    made.push(count)
  }
  expect(made).toEqual([MAX_A_TURN, MAX_A_TURN, 300 - 2 * MAX_A_TURN])
})

test('a shutdown whose last ticks are late closes its clients over several turns, and all without a further tick', async () => {
  const { clock, connections, transports, closed } = crowd(1000)
  const shutdown = new GracefulShutdownManager({ connectionManager: connections, timeoutSeconds: 100, clock })
  shutdown.started()
  shutdown.begin('a test')
  clock.stall(200_000)
  const perTurn: number[] = []
  for (let before = 0; before < transports.length;) {
    const now = closed()
    perTurn.push(now - before)
    before = now
    await nextTurn()
  }
  expect(Math.max(...perTurn)).toBeLessThanOrEqual(MAX_A_TURN)
  expect(transports.every(({ calls }) => calls.filter((call) => call.startsWith('close')).length === 1)).toBe(true)
})
