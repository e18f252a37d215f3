/**
 * A small rollout with the real command, and the verdict on it. `npm run rollout` runs it in full size.
 */
import type { PresenceChange } from '@lastcall/protocol'
import { once } from 'node:events'
import { mkdtempSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { HistoryEvent } from '../../e2e/chaos/history-events.js'
import { HaProxy } from '../../e2e/rollout/haproxy.js'
import { judge, type Report } from '../../e2e/rollout/verdict.js'
import { freePorts } from '../../packages/server/test/support/free-port.js'
import { removeFolder } from '../../packages/server/test/support/remove-folder.js'
import { find, lacks } from '../../packages/server/test/support/programs.js'
import { lacksRedis } from '../../packages/server/test/support/redis-server.js'
import { runScript, type ScriptOutcome } from './run-script.js'

const SMALL = ['--libraries', '80', '--plain', '20', '--rate', '80', '--spread', '8', '--before', '3', '--untimed']

const roll = (...args: readonly string[]): Promise<ScriptOutcome> => runScript('rollout.mjs', ...SMALL, ...args)

describe('clients migrate without an interruption', () => {
  test.skipIf(lacks('Debian: haproxy', find('haproxy')))(
    'when two instances behind HAProxy are replaced one by one',
    async () => {
      const { code, out } = await roll('--how', 'rolling')
      expect(code, out).toBe(0)
      expect(out).toContain('"moved": 80')
      expect(out).toMatch(/^nobody noticed$/m)
    },
    180_000,
  )

  test.skipIf(lacks('Debian: haproxy', find('haproxy')) || lacksRedis())(
    'when three instances over Redis are replaced one by one',
    async () => {
      // A client that migrates waits for Redis three times: its slot must be longer than that.
      const { code, out } = await roll('--journal', 'redis', '--spread', '10')
      expect(code, out).toBe(0)
      expect(out).toContain('"moved": 80')
      expect(out).toMatch(/^nobody noticed$/m)
    },
    300_000,
  )

  test('when SIGHUP replaces all workers', async () => {
    const { code, out } = await roll('--how', 'reload')
    expect(code, out).toBe(0)
    expect(out).toContain('"moved": 80')
    expect(out).toMatch(/^nobody noticed$/m)
  }, 180_000)
})

test.skipIf(lacks('Debian: haproxy', find('haproxy')))(
  'HAProxy counts a server as UP that listens before the first check, and one that does not listen as DOWN',
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'lastcall-haproxy-'))
    const ready = createServer((_, response) => response.end())
    await once(ready.listen(0, '127.0.0.1'), 'listening')
    const [port = 0, b = 0, c = 0, d = 0] = await freePorts(4)
    const proxy = new HaProxy({ folder, port, servers: [(ready.address() as AddressInfo).port, b, c, d] })
    try {
      await proxy.sees('d', 'DOWN')
      await proxy.sees('a', 'UP')
    } finally {
      await proxy.stop()
      ready.close()
      removeFolder(folder)
    }
  },
)

describe('the verdict', () => {
  const report: Report = {
    connectionsAtStart: 1,
    cameLater: 0,
    left: 0,
    moved: 1,
    closedInSlot: 0,
    closedAtDeadline: 0,
    lost: 0,
    remaining: 0,
    messagesUnacked: 0,
  }
  const client = (name: string): HistoryEvent => ({ type: 'client', at: 0, client: name, kind: 'library' })
  const connection = (name: string, number: number, at: number): HistoryEvent[] => [
    { type: 'connect', at, client: name, connection: `${name}#${number}`, channels: [] },
    { type: 'welcome', at, connection: `${name}#${number}`, cursor: 'e:0', recovered: null, channels: [], node: 'a' },
  ]
  const message = (offset: number, at: number, tookMs: number): HistoryEvent[] => [
    { type: 'publish', at, client: 'probe-lib-1', id: `m${offset}`, digest: 'd' },
    { type: 'settled', at, client: 'probe-lib-1', id: `m${offset}`, offset },
    { type: 'delivered', at: at + tookMs, client: 'probe-lib-2', kind: 'message', channel: 'room', offset },
  ]
  const left = (name: string): PresenceChange => ({
    channel: 'lobby',
    joined: [],
    left: [name],
    joinedCount: 0,
    leftCount: 1,
    count: 1,
  })
  const moves = (name: string): HistoryEvent[] => [
    client(name),
    ...connection(name, 1, 1),
    ...connection(name, 2, 110),
    { type: 'given-up', at: 112, connection: `${name}#1` },
    { type: 'moved', at: 112, client: name, from: 'a', to: 'b' },
  ]
  const GOOD = [...moves('probe-lib-1'), ...moves('probe-lib-2'), ...message(1, 50, 5), ...message(2, 120, 90)]

  const faults = (
    events: readonly HistoryEvent[],
    reports: readonly Report[] = [report],
    isTimed = true,
  ): readonly string[] => judge({ events, reports, deployAt: 100, doneAt: 200, isTimed }).faults

  test('finds no fault in a good history', () => {
    expect(faults(GOOD)).toEqual([])
  })

  test.each<[what: string, events: HistoryEvent[], expected: RegExp]>([
    ['a client that has not moved', [client('idle-lib-1'), ...connection('idle-lib-1', 1, 1)], /moved 0 times/],
    [
      'a client that has moved twice',
      [{ type: 'moved', at: 150, client: 'probe-lib-1', from: 'a', to: 'b' }],
      /moved 2 times/,
    ],
    [
      'an application that received a change of state',
      [{ type: 'state', at: 150, client: 'probe-lib-1', state: 'reconnecting' }],
      /its application received reconnecting/,
    ],
    [
      'an application that received its return',
      [{ type: 'returned', at: 150, client: 'probe-lib-1', recovered: true }],
      /its return/,
    ],
    [
      'a client with three connections at a time',
      [...connection('probe-lib-1', 3, 111), ...connection('probe-lib-1', 4, 111)],
      /at a time/,
    ],
    [
      'a client that the server did not accept',
      [{ type: 'connect', at: 150, client: 'probe-lib-1', connection: 'x', channels: [] }],
      /was rejected/,
    ],
    [
      'presence of a client that only migrated',
      [{ type: 'presence', at: 150, connection: 'probe-lib-2#1', offset: 9, changes: [left('probe-lib-1')] }],
      /only migrated/,
    ],
    ['a message that took long', message(3, 130, 106), /took 106 ms/],
  ])('finds %s', (_what, more, expected) => {
    expect(faults([...GOOD, ...more]).join()).toMatch(expected)
  })

  test('finds reports that do not add up, or have losses', () => {
    expect(faults(GOOD, [{ ...report, moved: 0 }]).join()).toContain('does not add up')
    expect(faults(GOOD, [{ ...report, moved: 0, lost: 1 }]).join()).toContain('has losses')
  })

  test('ignores long latencies on a shared machine, but not a missing measurement', () => {
    expect(faults([...GOOD, ...message(3, 130, 1000)], [report], false)).toEqual([])
    expect(faults([...moves('probe-lib-1')], [report], false)).toEqual(['no client measured a latency'])
  })
})
