/**
 * The report: what happened to whom, and that the numbers add up.
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Connection, type ServerClose } from '../../src/connections/connection.js'
import { DrainCounter, type DrainReport } from '../../src/shutdown/drain-report.js'
import { FakeTransport } from '../support/fake-transport.js'

const NOW = Date.UTC(2026, 0, 1)

function ended(serverClose?: ServerClose, some: { bufferedBytes?: number; unacked?: number } = {}): Connection {
  const transport = new FakeTransport()
  transport.bufferedBytes = some.bufferedBytes ?? 0
  const identity = {
    clientId: 'anna',
    connectionId: '',
    session: '',
    locale: 'uk' as const,
    strict: false,
    expiresAtMs: Infinity,
    allowedChannels: undefined,
  }
  const connection = new Connection(identity, transport, 0)
  connection.serverClose = serverClose
  connection.unacked = some.unacked ?? 0
  return connection
}

const counter = (connections: number): DrainCounter =>
  new DrainCounter({ why: 'SIGTERM', mode: 'wait', now: NOW, monotonicMs: 1000, connections })

const sumOf = (report: DrainReport): number =>
  report.left + report.moved + report.closedInSlot + report.closedAtDeadline + report.lost + report.remaining

test('who went by itself, who was closed, and who was lost are counted apart', () => {
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

test('who was closed at the deadline but never answered is lost: what was on its way may not have arrived', () => {
  const drain = counter(1)
  drain.ended(ended('deadline'), 1006, 1100)
  expect(drain.report(NOW, 2000, true)).toMatchObject({ closedAtDeadline: 0, lost: 1, remaining: 0 })
})

test('what was not flushed and not acked is summed up', () => {
  const drain = counter(2)
  drain.ended(ended('deadline', { bufferedBytes: 100, unacked: 1 }), 1006, 1100)
  drain.ended(ended(undefined, { bufferedBytes: 11, unacked: 2 }), 1006, 1200)
  expect(drain.report(NOW, 2000, true)).toMatchObject({ bytesUnflushed: 111, messagesUnacked: 3 })
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

test('it adds up, whoever comes and however they end', () => {
  const event = fc.oneof(
    fc.constant('came' as const),
    fc.record({
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
        } else if (there > gone) {
          drain.ended(ended(each.why), each.code, 1000)
          gone++
        }
        const report = drain.report(NOW, 2000, false)
        expect(sumOf(report)).toBe(report.connectionsAtStart + report.cameLater)
        expect([drain.gone, report.remaining]).toEqual([gone, there - gone])
      }
    }),
  )
})
