/** The report: how each connection ended, and that the numbers add up. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { ServerClose } from '../../src/connections/closes.js'
import { Connection } from '../../src/connections/connection.js'
import { DrainCounter, type DrainReport } from '../../src/shutdown/drain-report.js'
import { FakeTransport } from '../support/fake-transport.js'
import { identityOf } from '../support/identity.js'

const NOW = Date.UTC(2026, 0, 1)

interface Ended {
  readonly clientId?: string
  readonly bufferedBytes?: number
  readonly unacked?: number
  readonly isElsewhere?: boolean
}

function ended(serverClose?: ServerClose, some: Ended = {}): Connection {
  const transport = new FakeTransport()
  transport.bufferedBytes = some.bufferedBytes ?? 0
  const connection = new Connection(identityOf(some.clientId ?? 'anna'), transport, 0)
  connection.serverClose = serverClose
  connection.delivery = { unacked: some.unacked ?? 0, onceFlushed: (callback) => callback() }
  connection.isElsewhere = some.isElsewhere ?? false
  return connection
}

const counter = (connections: number): DrainCounter =>
  new DrainCounter({ why: 'SIGTERM', mode: 'wait', now: NOW, monotonicMs: 1000, connections })

const sumOf = (report: DrainReport): number =>
  report.left + report.moved + report.closedInSlot + report.closedAtDeadline + report.lost + report.remaining

test('clients that left, clients that were closed and lost clients are counted separately', () => {
  const drain = counter(5)
  drain.ended(ended(), 1000, 1100)
  drain.ended(ended(), 1001, 1200)
  drain.ended(ended('deadline'), 1001, 1300)
  drain.ended(ended(), 1006, 1400)
  expect(drain.report(NOW + 500, 1500, false)).toMatchObject({
    startedAt: '2026-01-01T00:00:00.000Z',
    endedAt: undefined,
    durationSeconds: 0.5,
    why: 'SIGTERM',
    mode: 'wait',
    connectionsAtStart: 5,
    cameLater: 0,
    left: 2,
    closedAtDeadline: 1,
    lost: 1,
    remaining: 1,
  })
})

test('a client that was closed at the deadline and never answered is lost: its bytes may not have arrived', () => {
  const drain = counter(1)
  drain.ended(ended('deadline'), 1006, 1100)
  expect(drain.report(NOW, 2000, true)).toMatchObject({ closedAtDeadline: 0, lost: 1, remaining: 0 })
})

test('the report adds up unflushed bytes and messages without an ack', () => {
  const drain = counter(2)
  drain.ended(ended('deadline', { bufferedBytes: 100, unacked: 1 }), 1006, 1100)
  drain.ended(ended(undefined, { bufferedBytes: 11, unacked: 2 }), 1006, 1200)
  expect(drain.report(NOW, 2000, true)).toMatchObject({ bytesUnflushed: 111, messagesUnacked: 3 })
})

test('a client that another instance has accepted gets its acks there', () => {
  const drain = counter(4)
  drain.ended(ended(undefined, { clientId: 'moved-before', unacked: 3, isElsewhere: true }), 1000, 1100)
  drain.ended(ended(undefined, { clientId: 'moved-after', unacked: 5 }), 1000, 1200)
  drain.ended(ended('slot', { clientId: 'closed', unacked: 7 }), 1001, 1300)
  drain.ended(ended(undefined, { clientId: 'unseen', unacked: 11 }), 1000, 1400)
  expect(drain.report(NOW, 2000, false).messagesUnacked).toBe(23)
  drain.seenElsewhere('moved-after')
  drain.seenElsewhere('closed')
  expect(drain.report(NOW, 2000, false).messagesUnacked).toBe(11)
})

test('the report waits for the record of a client that was closed before its ack', () => {
  const drain = counter(1)
  drain.ended(ended('slot', { clientId: 'closed', unacked: 1 }), 1001, 1300)
  expect([drain.hasUnseen, drain.lastUnseenAtMs]).toEqual([true, 1300])
  drain.seenElsewhere('closed')
  expect(drain.hasUnseen).toBe(false)
})

test('the largest number of ends in one second is of the seconds since the beginning', () => {
  const drain = counter(10)
  for (const atMs of [1000, 1999, 2000, 2500, 2999, 5000, 5100]) drain.ended(ended(), 1000, atMs)
  expect(drain.report(NOW, 6000, true).maxEndsPerSecond).toBe(3)
})

test('the end is when it ended', () => {
  expect(counter(0).report(NOW + 1234, 2234, true)).toMatchObject({
    endedAt: '2026-01-01T00:00:01.234Z',
    durationSeconds: 1.234,
  })
})

test('a client that another instance accepted before it left has moved', () => {
  const drain = counter(1)
  drain.ended(ended(undefined, { isElsewhere: true }), 1000, 1100)
  expect(drain.report(NOW, 2000, true)).toMatchObject({ left: 0, moved: 1, remaining: 0 })
  expect(drain.hasUnseen).toBe(false)
})

test('a client that another instance accepts after it left has moved, once', () => {
  const drain = counter(3)
  drain.ended(ended(undefined, { clientId: 'anna' }), 1000, 1100)
  drain.ended(ended(undefined, { clientId: 'bob' }), 1001, 1200)
  expect([drain.hasUnseen, drain.lastUnseenAtMs]).toEqual([true, 1200])
  drain.seenElsewhere('bob')
  drain.seenElsewhere('bob')
  drain.seenElsewhere('nobody')
  expect(drain.report(NOW, 2000, false)).toMatchObject({ left: 1, moved: 1, remaining: 1 })
  drain.seenElsewhere('anna')
  expect(drain.report(NOW, 2000, false)).toMatchObject({ left: 0, moved: 2, remaining: 1 })
  expect(drain.hasUnseen).toBe(false)
})

test('a client that was closed or lost stays so, whichever instance accepts it later', () => {
  const drain = counter(6)
  for (const isElsewhere of [false, true]) {
    drain.ended(ended('slot', { clientId: 'a', isElsewhere }), 1001, 1100)
    drain.ended(ended('deadline', { clientId: 'b', isElsewhere }), 1001, 1100)
    drain.ended(ended(undefined, { clientId: 'c', isElsewhere }), 1006, 1100)
  }
  for (const clientId of ['a', 'b', 'c']) drain.seenElsewhere(clientId)
  expect(drain.report(NOW, 2000, true)).toMatchObject({ moved: 0, closedInSlot: 2, closedAtDeadline: 2, lost: 2 })
})

test('the report adds up for any clients and any ends', () => {
  const event = fc.oneof(
    fc.constant('came' as const),
    fc.record({ seenElsewhere: fc.constantFrom('anna', 'bob', 'cleo') }),
    fc.record({
      clientId: fc.constantFrom('anna', 'bob', 'cleo'),
      isElsewhere: fc.boolean(),
      why: fc.option(fc.constantFrom<ServerClose>('deadline', 'slot', 'slow', 'dead', 'expired', 'request', 'abuse'), {
        nil: undefined,
      }),
      code: fc.constantFrom(1000, 1001, 1005, 1006, 1008, 4008),
    }),
  )
  fc.assert(
    fc.property(fc.nat(20), fc.array(event), (atStart, events) => {
      const drain = counter(atStart)
      let [there, gone] = [atStart, 0]
      for (const each of events) {
        if (each === 'came') {
          drain.came()
          there++
        } else if ('seenElsewhere' in each) {
          drain.seenElsewhere(each.seenElsewhere)
        } else if (there > gone) {
          drain.ended(ended(each.why, each), each.code, 1000)
          gone++
        }
        const report = drain.report(NOW, 2000, false)
        expect(sumOf(report)).toBe(report.connectionsAtStart + report.cameLater)
        expect([drain.gone, report.remaining]).toEqual([gone, there - gone])
      }
    }),
  )
})
