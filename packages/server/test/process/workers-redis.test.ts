/**
 * The real command with WORKERS and a journal in a Redis that starts later. generations.test.ts shows that each report
 * of a waiting worker extends the time that it has for its start.
 */
import { describe, expect, test, vi } from 'vitest'
import { Command } from '../support/command.js'
import { lacksRedis, RedisServer } from '../support/redis-server.js'

vi.setConfig({ testTimeout: 180_000 })

const SESSION_SECRET = 'a secret that all instances have in common'

async function startWithoutRedis(): Promise<{ redis: RedisServer; command: Command }> {
  const redis = await RedisServer.start()
  await redis.kill()
  const command = Command.start({ JOURNAL_URL: redis.url, SESSION_SECRET, WORKERS: '2', LOG_LEVEL: 'debug' })
  await command.logged('journal.unavailable')
  return { redis, command }
}

describe.skipIf(lacksRedis())('the command with workers, while Redis is away', () => {
  test('logs one line, reports that it waits, and serves when Redis starts', async () => {
    const { redis, command } = await startWithoutRedis()
    const reports = (): number => command.lines.filter(({ event }) => event === 'worker.waiting').length
    await command.logged('worker.waiting', () => reports() >= 3)
    const events = command.lines.map(({ event }) => event).filter((event) => event !== 'worker.waiting')
    expect(events.filter((event) => /^(worker|journal|shutdown)\./.test(event))).toEqual(['journal.unavailable'])
    await redis.start()
    await command.logged('listening')
    const client = await command.connect('anna')
    client.send({ type: 'message', data: 'hello', id: 'a' })
    await client.until((message) => 'id' in message && message.id === 'a')
    await redis.dispose()
  })

  test('ends with 0 on SIGTERM', async () => {
    const { redis, command } = await startWithoutRedis()
    command.signal('SIGTERM')
    expect(await command.exited).toEqual({ code: 0, signal: null })
    await redis.dispose()
  })
})
