/**
 * The real command with WORKERS and a journal in Redis that is not there yet.
 */
import { setTimeout } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { Command } from '../support/command.js'
import { lacksRedis, RedisServer } from '../support/redis-server.js'

const SESSION_SECRET = 'a secret that all instances have in common'

/** Long enough for two processes to start on a busy machine. */
const START_TIMEOUT_SECONDS = 15

async function startWithoutRedis(): Promise<{ redis: RedisServer; command: Command }> {
  const redis = await RedisServer.start()
  await redis.kill()
  const command = Command.start({
    JOURNAL_URL: redis.url,
    SESSION_SECRET,
    WORKERS: '2',
    WORKER_START_TIMEOUT: String(START_TIMEOUT_SECONDS),
  })
  await command.logged('journal.unavailable')
  return { redis, command }
}

describe.skipIf(lacksRedis())('the command with workers, while Redis is away', () => {
  test(
    'says so in one line, outlives the timeout of a start, and serves when it is there',
    { timeout: 180_000 },
    async () => {
      const { redis, command } = await startWithoutRedis()
      await setTimeout((START_TIMEOUT_SECONDS + 2) * 1000)
      expect(command.lines.map(({ event }) => event).filter((event) => event.startsWith('worker.'))).toEqual([])
      await redis.start()
      await command.logged('listening')
      const client = await command.connect('anna')
      await client.publish('hello')
      expect(command.lines.filter(({ event }) => event === 'journal.unavailable')).toHaveLength(1)
      command.signal('SIGTERM')
      await client.leave()
      expect(await command.exited).toEqual({ code: 0, signal: null })
      await redis.dispose()
    },
  )

  test('ends with 0 when it is told to', { timeout: 60_000 }, async () => {
    const { redis, command } = await startWithoutRedis()
    command.signal('SIGTERM')
    expect(await command.exited).toEqual({ code: 0, signal: null })
    await redis.dispose()
  })
})
