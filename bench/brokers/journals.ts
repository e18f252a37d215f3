/**
 * The journal that a measurement runs on: a broker of its own on a free port with a temporary folder, or a folder. It owns
 * how the broker is started and configured.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { RabbitServer } from '../../packages/server/test/support/rabbitmq-server.js'
import { RedisServer } from '../../packages/server/test/support/redis-server.js'
import { rabbitTrip, redisPing, redisTrip, type Trip } from './bare.js'

export interface MeasuredJournal {
  /** For JOURNAL_URL. */
  readonly url: string
  /** Of the broker's process. `undefined`: there is no broker. */
  readonly pid: number | undefined
  readonly description: string
  readonly dispose: () => Promise<void>
}

export interface Engine {
  readonly start: (options: StartOptions) => Promise<MeasuredJournal>
  readonly goals: {
    /** How many times the bare round trips the latency through lastcall may take. */
    readonly latency?: number
    /** Messages per second. */
    readonly throughput?: number
    /** Messages per second at which the CPU time of an idle instance is judged. */
    readonly idleRate: number
  }
  /** Opens the round trips through the broker without lastcall, by name. */
  readonly bare: (url: string) => Readonly<Record<string, () => Promise<Trip>>>
}

interface StartOptions {
  /** As in redis.conf. docs/operations.md recommends `everysec`. */
  readonly appendfsync: string
}

export const JOURNALS: Readonly<Record<string, Engine>> = {
  redis: {
    start: startRedis,
    goals: { latency: 3, throughput: 20_000, idleRate: 20_000 },
    bare: (url) => ({
      'entry through Redis (XADD, XREAD)': () => redisTrip(url),
      'PING of Redis': () => redisPing(url),
    }),
  },
  rabbit: {
    start: startRabbit,
    goals: { latency: 5, throughput: 10_000, idleRate: 10_000 },
    bare: (url) => ({ 'entry through RabbitMQ (publish, confirm, consume)': () => rabbitTrip(url) }),
  },
  file: { start: startFile, goals: { idleRate: 20_000 }, bare: () => ({}) },
}

async function startRedis({ appendfsync }: StartOptions): Promise<MeasuredJournal> {
  const server = await RedisServer.start('--appendonly', 'yes', '--appendfsync', appendfsync)
  return {
    url: `${server.url}/0?key=bench`,
    pid: server.pid,
    description: `Redis with appendonly yes, appendfsync ${appendfsync}`,
    dispose: () => server.dispose(),
  }
}

async function startRabbit(): Promise<MeasuredJournal> {
  const server = await RabbitServer.start()
  return {
    url: server.url('bench'),
    pid: server.pid,
    description: 'RabbitMQ with one stream queue',
    dispose: () => server.dispose(),
  }
}

function startFile(): Promise<MeasuredJournal> {
  const folder = mkdtempSync(join(tmpdir(), 'lastcall-bench-'))
  return Promise.resolve({
    url: `file:${join(folder, 'journal')}`,
    pid: undefined,
    description: 'file journal',
    dispose: () => {
      rmSync(folder, { recursive: true, force: true })
      return Promise.resolve()
    },
  })
}
