/**
 * The real command with a journal in a Redis that starts later.
 */
import { describe, expect, test } from 'vitest'
import { Command } from '../support/command.js'
import { lacksRedis, RedisServer } from '../support/redis-server.js'

const SESSION_SECRET = 'a secret that all instances have in common'

describe.skipIf(lacksRedis())('the command, while Redis is away', () => {
  async function stoppedRedis(): Promise<RedisServer> {
    const redis = await RedisServer.start()
    await redis.kill()
    return redis
  }

  test('logs one line, waits, and serves when Redis starts', async () => {
    const redis = await stoppedRedis()
    const command = Command.start({ JOURNAL_URL: redis.url, SESSION_SECRET })
    const { msg } = await command.logged('journal.unavailable')
    expect(msg).toContain(`127.0.0.1:${redis.port}`)
    await redis.start()
    await command.logged('listening')
    const client = await command.connect('anna')
    await client.publish('hello')
    expect(command.lines.filter(({ event }) => event === 'journal.unavailable')).toHaveLength(1)
    await redis.dispose()
  })

  test('ends with 0 on SIGTERM', async () => {
    const redis = await stoppedRedis()
    const command = Command.start({ JOURNAL_URL: redis.url, SESSION_SECRET })
    await command.logged('journal.unavailable')
    command.signal('SIGTERM')
    expect(await command.exited).toEqual({ code: 0, signal: null })
    await redis.dispose()
  })

  test.each([
    ['without clients', 0],
    ['with a client that waits for an ack', 1],
  ])(
    'that answers nothing any more, ends with 0 and reports what it gave up: %s',
    { timeout: 180_000 },
    async (_, clients) => {
      const redis = await RedisServer.start()
      const command = await Command.serving({
        JOURNAL_URL: redis.url,
        SESSION_SECRET,
        JOURNAL_TIMEOUT: '60',
        CLOSE_TIMEOUT: '4',
        SHUTDOWN_TIMEOUT: '0',
      })
      const anna = await command.connect('anna')
      redis.signal('SIGSTOP')
      if (clients === 1) anna.send({ type: 'message', data: 'not confirmed', id: 'a' })
      else await anna.leave()
      command.signal('SIGTERM')
      expect(await command.exited).toEqual({ code: 0, signal: null })
      const givenUp = expect.arrayContaining(['the journal']) as string[]
      expect(command.lines.filter(({ event }) => event === 'shutdown.given_up')).toMatchObject([
        { level: 'warn', givenUp },
      ])
      await redis.dispose()
    },
  )

  test('ends at once with a wrong password, and does not log it', async () => {
    const redis = await RedisServer.start('--requirepass', 'right')
    const command = Command.start({ JOURNAL_URL: `redis://:hunter2@127.0.0.1:${redis.port}`, SESSION_SECRET })
    const { code } = await command.exited
    expect(code).toBe(1)
    const said = JSON.stringify(command.lines) + command.other.join('\n')
    expect(said).toContain('it refuses the user or the password')
    expect(said).not.toContain('hunter2')
    await redis.dispose()
  })
})
