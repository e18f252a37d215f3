/** Slots: which clients the server closes at a tick, also after its event loop was blocked. */
import { expect, test } from 'vitest'
import { Connection } from '../../src/connections/connection.js'
import { DepartureSlots } from '../../src/shutdown/departure-slots.js'
import { FakeTransport } from '../support/fake-transport.js'
import { identityOf } from '../support/identity.js'

const TICK_MS = 10
const OVER_MS = 20_000
/** Of a spread of 20 s. */
const GRACE_MS = 1500

const connectionOf = (clientId: string): Connection => new Connection(identityOf(clientId), new FakeTransport(), 0)

/** Slots of ten clients that never move, with what closes them. */
function drill(count = 10) {
  const connections = Array.from({ length: count }, (_, index) => connectionOf(`client-${String(index)}`))
  const slots = new DepartureSlots(connections, 0, OVER_MS)
  const closedAt = new Map<string, number>()
  const tick = (nowMs: number): void => {
    const waiting = connections.length - closedAt.size
    slots.closeEnded(nowMs, waiting, TICK_MS, (connection) => {
      connection.serverClose = 'slot'
      closedAt.set(connection.clientId, nowMs)
    })
  }
  return {
    closedAt,
    ticks: (fromMs: number, toMs: number, everyMs = TICK_MS): void => {
      for (let nowMs = fromMs; nowMs <= toMs; nowMs += everyMs) tick(nowMs)
    },
  }
}

test('a client is closed one grace after the beginning of its slot', () => {
  const { closedAt, ticks } = drill()
  ticks(0, OVER_MS)
  expect(closedAt.size).toBe(10)
  expect(closedAt.get('client-0')).toBe(GRACE_MS)
})

test('a client gets the time again for which the event loop was held up', () => {
  const { closedAt, ticks } = drill()
  ticks(0, 1000)
  ticks(1700, 3000)
  expect(closedAt.get('client-0')).toBe(1700 + 690)
})

test('after a long stall it gets one grace', () => {
  const { closedAt, ticks } = drill()
  ticks(0, 100)
  ticks(9100, 15_000)
  expect(closedAt.get('client-0')).toBe(9100 + GRACE_MS)
})

test('a machine that is always held up closes its clients, too, at most one spread later', () => {
  const { closedAt, ticks } = drill()
  ticks(0, 3 * OVER_MS, 500)
  expect(closedAt.size).toBe(10)
  expect(Math.max(...closedAt.values())).toBeLessThanOrEqual(2 * OVER_MS + 500)
})

test('a late tick closes at most 128 clients, and the next ticks close the others', () => {
  const { closedAt, ticks } = drill(1000)
  ticks(0, 10)
  const lateMs = 3 * OVER_MS
  ticks(lateMs, lateMs + OVER_MS)
  const times = [...closedAt.values()]
  expect(times).toHaveLength(1000)
  const most = Math.max(...[...new Set(times)].map((at) => times.filter((time) => time === at).length))
  expect(most).toBe(128)
})
