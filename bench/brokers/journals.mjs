/**
 * The journal that a measurement runs on: a broker of its own on a free port with a temporary folder, or a folder. It owns
 * how the broker is started and configured.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { importTypeScript } from '../../e2e/typescript.mjs'
import { rabbitTrip, redisPing, redisTrip } from './bare.mjs'

/**
 * Each journal with the goals of its measurements. `bare` opens the round trips through the broker without lastcall, by name;
 * the latency goal compares with the first one.
 */
export const JOURNALS = {
  redis: {
    start: startRedis,
    goals: { latency: 3, throughput: 20_000, idleRate: 20_000 },
    bare: (url) => ({ 'entry through Redis (XADD, XREAD)': redisTrip(url), 'PING of Redis': redisPing(url) }),
  },
  rabbit: {
    start: startRabbit,
    goals: { latency: 5, throughput: 10_000, idleRate: 10_000 },
    bare: (url) => ({ 'entry through RabbitMQ (publish, confirm, consume)': rabbitTrip(url) }),
  },
  file: { start: startFile, goals: { idleRate: 20_000 }, bare: () => ({}) },
}

/** @param {string} appendfsync As in redis.conf. `everysec` is what docs/operations.md recommends. */
async function startRedis({ appendfsync }) {
  const { RedisServer } = await importTypeScript('packages/server/test/support/redis-server.ts')
  const server = await RedisServer.start('--appendonly', 'yes', '--appendfsync', appendfsync)
  return {
    url: `${server.url}/0?key=bench`,
    pid: server.pid,
    description: `Redis with appendonly yes, appendfsync ${appendfsync}`,
    dispose: () => server.dispose(),
  }
}

async function startRabbit() {
  const { RabbitServer } = await importTypeScript('packages/server/test/support/rabbitmq-server.ts')
  const server = await RabbitServer.start()
  return {
    url: server.url('bench'),
    pid: server.pid,
    description: 'RabbitMQ with one stream queue',
    dispose: () => server.dispose(),
  }
}

async function startFile() {
  const folder = mkdtempSync(join(tmpdir(), 'lastcall-bench-'))
  return {
    url: `file:${join(folder, 'journal')}`,
    pid: undefined,
    description: 'file journal',
    dispose: async () => rmSync(folder, { recursive: true, force: true }),
  }
}
