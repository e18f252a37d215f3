/**
 * The pure parts of the Redis journal.
 */
import { describe, expect, it } from 'vitest'
import { ByteBudget } from '../../../src/journal/redis/byte-budget.js'
import { compareEpochs, Epochs, isEpoch } from '../../../src/journal/redis/epochs.js'
import { expectVersion, isReplica, warningsOf } from '../../../src/journal/redis/redis-problems.js'
import { describeTarget, parseRedisUrl } from '../../../src/journal/redis/redis-url.js'

describe('an epoch', () => {
  const NOW = 1_790_000_000_000

  it('consists of the time and randomness', () => {
    const epochs = new Epochs(
      () => NOW,
      () => 5,
    )
    expect(epochs.next()).toBe((BigInt(NOW) * 2n ** 20n + 5n).toString())
  })

  it('is newer than all earlier ones, whatever the clock', () => {
    const epochs = new Epochs(
      () => 1_000_000_000_000,
      () => 0,
    )
    const seen = '9007199254740993000'
    epochs.saw(seen)
    const [next, after] = [epochs.next(), epochs.next()]
    expect(next).toBe('9007199254740993001')
    expect(after).toBe('9007199254740993002')
    expect([compareEpochs(seen, next), compareEpochs(next, seen), compareEpochs(next, next)]).toEqual([-1, 1, 0])
  })

  it('is not the time in the id of a stream of another program', () => {
    expect(isEpoch(String(NOW))).toBe(false)
    expect(isEpoch(new Epochs(Date.now, () => 0).next())).toBe(true)
  })
})

describe('the budget of bytes', () => {
  it('names once the entry before which a stream must be trimmed', () => {
    const budget = new ByteBudget(50_000)
    for (let offset = 1; offset <= 500; offset++) budget.count('1', offset, 100)
    expect(budget.takeTrimPoint()).toBeUndefined()
    for (let offset = 501; offset <= 1000; offset++) budget.count('1', offset, 100)
    expect(budget.takeTrimPoint()).toEqual({ epoch: '1', offset: 600 })
    expect(budget.takeTrimPoint()).toBeUndefined()
  })

  it('counts an entry once, however many readers report it', () => {
    const budget = new ByteBudget(15_000)
    for (let reader = 0; reader < 3; reader++) {
      for (let offset = 1; offset <= 100; offset++) budget.count('1', offset, 100)
    }
    expect(budget.takeTrimPoint()).toBeUndefined()
  })

  it('starts anew with a new epoch', () => {
    const budget = new ByteBudget(1000)
    for (let offset = 1; offset <= 9; offset++) budget.count('1', offset, 100)
    for (let offset = 1; offset <= 9; offset++) budget.count('2', offset, 100)
    expect(budget.takeTrimPoint()).toBeUndefined()
  })
})

describe('a URL of Redis', () => {
  it('contains everything that a connection needs', () => {
    const url = 'rediss://anna:p%40ss@one:7000,[::1]/3?key=news&sentinel=primary&ca=/ca.pem'
    const parsed = parseRedisUrl(url)
    expect(parsed).toEqual({
      ok: true,
      target: {
        addresses: [
          { host: 'one', port: 7000 },
          { host: '::1', port: 26_379 },
        ],
        sentinel: 'primary',
        username: 'anna',
        password: 'p@ss',
        database: 3,
        key: 'news',
        tls: { caFile: '/ca.pem', certFile: undefined, certKeyFile: undefined },
      },
    })
    expect(parsed.ok && describeTarget(parsed.target)).toBe(
      'Redis, the primary primary of the Sentinels at one:7000,[::1]:26379, database 3, key news',
    )
  })

  it('needs only a host', () => {
    expect(parseRedisUrl('redis://localhost')).toMatchObject({
      ok: true,
      target: {
        addresses: [{ host: 'localhost', port: 6379 }],
        database: 0,
        key: '{lastcall}:journal',
        tls: undefined,
      },
    })
  })

  it.each([
    'redis:localhost',
    'redis://',
    'redis://host:0',
    'redis://host:65536',
    'redis://host:port',
    'redis://a,,b',
    'redis://::1',
    'redis://[::g]',
    'redis://-host',
    'redis://host/x',
    'redis://host/1/2',
    'redis://:%zz@host',
    'redis://:se?cret@host',
    'redis://host?key=a&key=b',
    'redis://host?key=',
    'redis://host?ca=/ca.pem',
    'rediss://host?cert=/c.pem',
  ])('%s has a problem that can be shown', (url) => {
    const parsed = parseRedisUrl(url)
    expect(parsed.ok).toBe(false)
    expect(parsed.ok ? '' : parsed.problem).not.toContain('cret')
  })
})

describe('the description of a server', () => {
  const info = (...lines: string[]): string => ['# Server', ...lines, ''].join('\r\n')

  it('must name version 7 or Valkey, which names the equivalent version of Redis', () => {
    for (const version of ['2.8.1', '6.2.14']) {
      expect(() => expectVersion(info(`redis_version:${version}`))).toThrow(`it is Redis ${version}`)
    }
    for (const version of ['7.0.15', '7.2.4', '8.2.0', '10.0.0']) {
      expect(() => expectVersion(info(`redis_version:${version}`))).not.toThrow()
    }
  })

  it('shows a replica, and a memory that evicts', () => {
    expect(isReplica(info('role:slave'))).toBe(true)
    expect(isReplica(info('role:master'))).toBe(false)
    expect(warningsOf(info('maxmemory:0', 'maxmemory_policy:allkeys-lru'))).toEqual([])
    expect(warningsOf(info('maxmemory:1000', 'maxmemory_policy:noeviction'))).toEqual([])
    expect(warningsOf(info('maxmemory:1000', 'maxmemory_policy:allkeys-lru'))).toEqual([
      expect.stringContaining('maxmemory-policy is allkeys-lru'),
    ])
  })
})
