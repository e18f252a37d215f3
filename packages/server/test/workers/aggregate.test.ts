/** The answers of several workers, combined into the answer of one server. */
import { describe, expect, test } from 'vitest'
import type { Health } from '../../src/http/health.js'
import type { DrainReport } from '../../src/shutdown/drain-report.js'
import type { WorkerStatus } from '../../src/workers/messages.js'
import { cutOff, healthOf, reportOf, shutdownStatusOf } from '../../src/workers/aggregate.js'

const HEALTH: Health = {
  status: 'healthy',
  activeConnections: 3,
  shutdownInProgress: false,
  uptimeSeconds: 12.5,
  version: '1.2.3',
  build: 'new',
  node: 'node-a',
  journal: 'up',
}

const REPORT: DrainReport = {
  startedAt: '2026-01-01T00:00:10.000Z',
  endedAt: '2026-01-01T00:00:20.000Z',
  durationSeconds: 10,
  why: 'SIGTERM',
  mode: 'wait',
  connectionsAtStart: 10,
  cameLater: 1,
  left: 4,
  moved: 3,
  closedInSlot: 0,
  closedAtDeadline: 2,
  lost: 1,
  remaining: 1,
  bytesUnflushed: 100,
  messagesUnacked: 1,
  maxEndsPerSecond: 4,
}

describe('health', () => {
  test('is of the generation that serves, with the connections of all', () => {
    const old = {
      ...HEALTH,
      status: 'draining' as const,
      shutdownInProgress: true,
      build: 'old',
      activeConnections: 40,
    }
    const whole = { silent: 0, asked: 4, isShuttingDown: false, uptimeSeconds: 100 }
    expect(healthOf({ all: [old, HEALTH, HEALTH], serving: [HEALTH, HEALTH], ...whole })).toEqual({
      ...HEALTH,
      activeConnections: 46,
      uptimeSeconds: 100,
      workers: { silent: 0, asked: 4, answered: 3 },
    })
  })

  test('of a shutdown, of a journal that one of them can not reach, and of nobody', () => {
    const whole = { serving: [], silent: 0, asked: 2, isShuttingDown: true, uptimeSeconds: 1 }
    expect(healthOf({ all: [HEALTH, { ...HEALTH, journal: 'down' }], ...whole })).toMatchObject({
      status: 'draining',
      shutdownInProgress: true,
      journal: 'down',
    })
    expect(healthOf({ all: [], ...whole })).toBeUndefined()
  })
})

describe('a report', () => {
  test('is the sum, from the first beginning to the last end', () => {
    const later = { ...REPORT, startedAt: '2026-01-01T00:00:11.000Z', endedAt: '2026-01-01T00:00:31.000Z' }
    const report = reportOf([REPORT, { ...later, durationSeconds: 20 }])
    expect(report).toEqual({
      ...REPORT,
      endedAt: '2026-01-01T00:00:31.000Z',
      durationSeconds: 21,
      connectionsAtStart: 20,
      cameLater: 2,
      left: 8,
      moved: 6,
      closedAtDeadline: 4,
      lost: 2,
      remaining: 2,
      bytesUnflushed: 200,
      messagesUnacked: 2,
      maxEndsPerSecond: 8,
    })
  })

  test('that is not over for one is not over', () => {
    expect(reportOf([REPORT, { ...REPORT, endedAt: undefined, durationSeconds: 30 }])).toMatchObject({
      endedAt: undefined,
      durationSeconds: 30,
    })
  })

  test('of nobody is none', () => expect(reportOf([])).toBeUndefined())

  test('of a worker that was killed during it counts its clients as lost', () => {
    const { lost, remaining, endedAt } = cutOff({ ...REPORT, endedAt: undefined }, 'now')
    expect({ lost, remaining, endedAt }).toEqual({ lost: 2, remaining: 0, endedAt: 'now' })
  })
})

describe('how a shutdown goes', () => {
  const standing = (state: string, remainingMs: number): WorkerStatus => ({
    health: HEALTH,
    state,
    remainingMs,
    report: { ...REPORT, endedAt: undefined },
  })

  test('draining while one of them is, with the longest time that is left', () => {
    const statuses = [standing('closing', 0), standing('draining', 5000)]
    expect(shutdownStatusOf({ isShuttingDown: true, statuses, ended: [REPORT] })).toMatchObject({
      state: 'draining',
      remainingMs: 5000,
      report: { connectionsAtStart: 30 },
    })
    expect(shutdownStatusOf({ isShuttingDown: true, statuses: statuses.slice(0, 1), ended: [] }).state).toBe('closing')
  })

  test('not at all while old workers leave because of a reload', () => {
    const statuses = [standing('draining', 5000)]
    expect(shutdownStatusOf({ isShuttingDown: false, statuses, ended: [] })).toEqual({
      state: 'serving',
      remainingMs: 0,
      report: undefined,
    })
  })
})
