/**
 * Outages of a real Redis, with two instances that append all the time. In every case both continue, and both read the
 * same entries at the same offsets, none twice within an epoch, and every acknowledged entry of the last epoch.
 */
import { setTimeout } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Journal } from '../../../src/journal/journal.js'
import { openJournal } from '../../../src/journal/open-journal.js'
import { message, record, UNLIMITED, type Recorder } from '../../../src/testing/index.js'
import { lacksRedis, RedisServer } from '../../support/redis-server.js'
import { TcpProxy } from '../../support/tcp-proxy.js'

const TIMEOUT_MS = 1000

/** An instance: a journal through a proxy, a reader, and a writer that never stops. */
class Instance {
  readonly acked: string[] = []
  readonly refusals = new Set<string>()
  readonly name: string
  readonly proxy: TcpProxy
  readonly journal: Journal
  readonly recorder: Recorder
  #sequence = 0
  #isOver = false
  #writing: Promise<void> | undefined

  private constructor(name: string, proxy: TcpProxy, journal: Journal, recorder: Recorder) {
    this.name = name
    this.proxy = proxy
    this.journal = journal
    this.recorder = recorder
  }

  static async start(name: string, port: number, credentials = ''): Promise<Instance> {
    const proxy = await TcpProxy.to(port)
    const url = `redis://${credentials}127.0.0.1:${proxy.port}?key=outage`
    const journal = await openJournal(url, { retention: UNLIMITED, timeoutMs: TIMEOUT_MS })
    return new Instance(name, proxy, journal, await record(journal))
  }

  write(): void {
    const write = async (): Promise<void> => {
      while (!this.#isOver) {
        await this.append()
        await setTimeout(1)
      }
    }
    this.#writing ??= write()
  }

  /** One attempt. Resolves with whether it was acked. */
  async append(): Promise<boolean> {
    const entry = message('x'.repeat(100), { node: this.name, sequence: ++this.#sequence })
    try {
      await this.journal.append([entry])
      this.acked.push(`${entry.node}:${entry.sequence}`)
      return true
    } catch (error) {
      expect(error).toMatchObject({ code: 'journal_unavailable', temporary: true })
      this.refusals.add(String(error))
      return false
    }
  }

  async until(isReached: (recorder: Recorder) => boolean): Promise<void> {
    await this.recorder.until(isReached)
  }

  /** Stops writing. */
  async rest(): Promise<void> {
    this.#isOver = true
    await this.#writing
  }

  async close(): Promise<void> {
    await this.rest()
    await this.journal.close()
    await this.proxy.close()
  }
}

const down = ({ isAvailable }: Recorder): boolean => !isAvailable
const up = ({ isAvailable }: Recorder): boolean => isAvailable

describe.skipIf(lacksRedis())('an outage of Redis', () => {
  let servers: RedisServer[]
  let instances: Instance[]

  beforeEach(() => {
    servers = []
    instances = []
  })

  afterEach(async () => {
    for (const server of servers) server.signal('SIGCONT')
    await Promise.all(instances.map((instance) => instance.close()))
    await Promise.all(servers.map((server) => server.dispose()))
  })

  async function serve(...args: string[]): Promise<RedisServer> {
    const server = await RedisServer.start(...args)
    servers.push(server)
    return server
  }

  async function begin(server: RedisServer, credentials = ''): Promise<[Instance, Instance]> {
    const pair: [Instance, Instance] = [
      await Instance.start('A', server.port, credentials),
      await Instance.start('B', server.port, credentials),
    ]
    instances.push(...pair)
    for (const instance of pair) instance.write()
    await reach(pair, ({ written }) => written.length > 20)
    return pair
  }

  const reach = (all: readonly Instance[], isReached: (recorder: Recorder) => boolean): Promise<unknown> =>
    Promise.all(all.map((instance) => instance.until(isReached)))

  /**
   * Each instance appends once more, and all read these entries. Then the test compares everything that they have read.
   */
  async function expectRecovery(all: readonly Instance[]): Promise<void> {
    for (const instance of all) await instance.rest()
    for (const instance of all) {
      while (!(await instance.append())) await setTimeout(5)
      const last = instance.acked.at(-1) ?? ''
      await reach(all, ({ current }) => current.some(({ node, sequence }) => `${node}:${sequence}` === last))
    }
    const [first, ...others] = all.map(({ recorder }) => placesOf(recorder))
    for (const places of others) {
      const [shorter, longer] = places.length < (first ?? []).length ? [places, first] : [first, places]
      expect(longer?.slice(-(shorter ?? []).length)).toEqual(shorter)
    }
    for (const { recorder } of all) expect(new Set(placesOf(recorder)).size).toBe(recorder.current.length)
  }

  const placesOf = ({ current, epochs }: Recorder): string[] =>
    current.map(({ node, sequence, offset }) => `${epochs.at(-1)?.epoch}:${offset}=${node}:${sequence}`)

  /** No epoch has begun, and every acknowledged entry was read once. */
  function expectNothingLost(all: readonly Instance[]): void {
    for (const { recorder } of all) {
      expect(recorder.epochs).toHaveLength(1)
      const origins = new Set(recorder.origins)
      expect(origins.size).toBe(recorder.origins.length)
      expect(all.flatMap(({ acked }) => acked).filter((origin) => !origins.has(origin))).toEqual([])
    }
  }

  const newEpoch = ({ epochs }: Recorder): boolean => epochs.length > 1 && epochs.at(-1)?.epoch !== epochs[0]?.epoch

  describe('that loses no entry: all instances continue in the same epoch', () => {
    it.each<[string, (server: RedisServer, pair: [Instance, Instance]) => Promise<unknown>]>([
      ['CLIENT PAUSE of everything', (server) => server.command('CLIENT', 'PAUSE', '700', 'ALL')],
      ['DEBUG SLEEP', (server) => server.command('DEBUG', 'SLEEP', '0.7')],
      [
        'XTRIM of everything, when all have read it',
        async (server, pair) => {
          for (const instance of pair) await instance.rest()
          const acked = pair.flatMap((instance) => instance.acked)
          await reach(pair, ({ origins }) => acked.every((origin) => origins.includes(origin)))
          await server.command('XTRIM', 'outage', 'MAXLEN', '0')
          for (const { proxy } of pair) proxy.cut()
          await reach(pair, down)
        },
      ],
      [
        'CLIENT PAUSE of writes, for longer than an append waits',
        async (server, pair) => {
          await server.command('CLIENT', 'PAUSE', '100000', 'WRITE')
          await reach(pair, down)
          await server.command('CLIENT', 'UNPAUSE')
        },
      ],
      [
        'a process that is stopped and goes on',
        async (server, pair) => {
          server.signal('SIGSTOP')
          await reach(pair, down)
          server.signal('SIGCONT')
        },
      ],
      [
        'connections that are cut, again and again',
        async (_, pair) => {
          for (let round = 0; round < 5; round++) {
            for (const { proxy } of pair) proxy.cut()
            await reach(pair, down)
            await reach(pair, up)
          }
        },
      ],
      [
        'connections that stall',
        async (_, pair) => {
          for (const { proxy } of pair) proxy.stall()
          await reach(pair, down)
          for (const { proxy } of pair) proxy.cut()
          for (const { proxy } of pair) proxy.resume()
        },
      ],
      [
        'connections whose other half is closed',
        async (_, pair) => {
          for (const { proxy } of pair) proxy.halfClose()
          await reach(pair, down)
        },
      ],
      [
        'kill -9 with every append on the disk',
        async (server, pair) => {
          await server.kill()
          await reach(pair, down)
          await server.start()
        },
      ],
    ])('%s', async (_, happen) => {
      const server = await serve('--appendonly', 'yes', '--appendfsync', 'always')
      const pair = await begin(server)
      await happen(server, pair)
      await reach(pair, up)
      await expectRecovery(pair)
      expectNothingLost(pair)
    })
  })

  describe('that refuses writes: the journal is unavailable although it can be read', () => {
    const user = ['on', '>pass-word', '~*', '+@all'] as const

    it.each<[string, string[], string[], RegExp]>([
      ['OOM', ['CONFIG', 'SET', 'maxmemory', '1mb'], ['CONFIG', 'SET', 'maxmemory', '0'], /OOM/],
      [
        'NOREPLICAS',
        ['CONFIG', 'SET', 'min-replicas-to-write', '1'],
        ['CONFIG', 'SET', 'min-replicas-to-write', '0'],
        /NOREPLICAS/,
      ],
      ['READONLY', ['REPLICAOF', '127.0.0.1', '1'], ['REPLICAOF', 'NO', 'ONE'], /READONLY|replica/],
      ['NOPERM', ['ACL', 'SETUSER', 'lastcall', '-xadd'], ['ACL', 'SETUSER', 'lastcall', '+xadd'], /NOPERM|permission/],
    ])('%s', async (_, refuse, allow, reason) => {
      const server = await serve()
      await server.command('ACL', 'SETUSER', 'lastcall', ...user)
      const pair = await begin(server, 'lastcall:pass-word@')
      await server.command(...refuse)
      await reach(pair, down)
      for (const instance of pair) expect(await instance.append()).toBe(false)
      expect([...pair[0].refusals].join('\n')).toMatch(reason)
      expect([...pair[0].refusals].join('\n')).not.toContain('pass-word')
      await server.command(...allow)
      await reach(pair, up)
      await expectRecovery(pair)
      expectNothingLost(pair)
    })

    it('a changed password', async () => {
      const server = await serve()
      const pair = await begin(server)
      await server.command('CONFIG', 'SET', 'requirepass', 'other')
      for (const { proxy } of pair) proxy.cut()
      await reach(pair, down)
      await reach(pair, ({ availability }) => String(availability.at(-1)?.error).length > 0)
      await server.commandAs({ password: 'other' }, 'CONFIG', 'SET', 'requirepass', '')
      await reach(pair, up)
      await expectRecovery(pair)
      expectNothingLost(pair)
    })
  })

  describe('that loses entries: all instances begin a new epoch', () => {
    it.each<[string, (server: RedisServer, pair: [Instance, Instance]) => Promise<unknown>]>([
      ['FLUSHALL', (server) => server.command('FLUSHALL')],
      ['DEL', (server) => server.command('DEL', 'outage')],
      [
        'kill -9 without persistence',
        async (server, pair) => {
          await server.kill()
          await reach(pair, down)
          await server.start()
        },
      ],
      [
        'a restart from an older snapshot',
        async (server, pair) => {
          await server.snapshot()
          const { length } = pair[0].recorder.written
          await reach(pair, ({ written }) => written.length > length + 20)
          await server.restartFromSnapshot()
        },
      ],
      [
        'a memory that evicts',
        async (server) => {
          await server.command('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru')
          await server.command('CONFIG', 'SET', 'maxmemory', '1mb')
          while (Number(await server.command('DBSIZE')) > 0) await setTimeout(1)
          await server.command('CONFIG', 'SET', 'maxmemory', '0')
        },
      ],
      [
        'another type in its place, and nothing after that',
        async (server, pair) => {
          await server.command('SET', 'outage', 'a text')
          await reach(pair, down)
          for (const instance of pair) expect(await instance.append()).toBe(false)
          await server.command('DEL', 'outage')
        },
      ],
    ])('%s', async (_, happen) => {
      const server = await serve()
      const pair = await begin(server)
      await happen(server, pair)
      await reach(pair, newEpoch)
      await reach(pair, up)
      await expectRecovery(pair)
    })

    it('an older snapshot, while one instance is cut off and another one appends more than was lost', async () => {
      const server = await serve()
      const [deposed, other] = await begin(server)
      for (const instance of [deposed, other]) await instance.rest()
      await server.snapshot()
      for (let count = 0; count < 10; count++) await deposed.append()
      const read = deposed.recorder.lastOffset
      deposed.proxy.refuse()
      await other.close()
      await server.restartFromSnapshot()
      const newcomer = await Instance.start('C', server.port)
      instances.push(newcomer)
      // The stream ends beyond the entries that the other instance has read, and its epoch is the same.
      while (newcomer.recorder.lastOffset <= read + 10) await newcomer.append()
      expect(newcomer.recorder.epochs).toHaveLength(1)
      deposed.proxy.accept()
      await deposed.until(newEpoch)
      await deposed.until(up)
      await expectRecovery([deposed, newcomer])
    })

    it('an older snapshot without an entry that was confirmed to an instance that had not read it', async () => {
      const server = await serve()
      const instance = await Instance.start('A', server.port)
      instances.push(instance)
      expect(await instance.append()).toBe(true)
      await instance.until(({ lastOffset }) => lastOffset === 1)
      await server.snapshot()
      // The connection of the reader is the newest one.
      instance.proxy.stallNewestAnswers()
      expect(await instance.append()).toBe(true)
      expect(instance.recorder.lastOffset).toBe(1)
      instance.proxy.refuse()
      await server.restartFromSnapshot()
      instance.proxy.accept()
      await instance.until(newEpoch)
      await instance.until(up)
      await expectRecovery([instance])
      expect(instance.recorder.origins).not.toContain('A:2')
    })

    it('a replica that lagged behind and was promoted', async () => {
      const primary = await serve()
      const replica = await serve()
      const replication = await TcpProxy.to(primary.port)
      await replica.command('REPLICAOF', '127.0.0.1', String(replication.port))
      const pair = await begin(primary)
      while (!String(await replica.command('INFO', 'replication')).includes('master_link_status:up'))
        await setTimeout(5)
      while (Number(await replica.command('XLEN', 'outage')) === 0) await setTimeout(5)
      replication.stall()
      const { length } = pair[0].recorder.written
      await reach(pair, ({ written }) => written.length > length + 50)
      await primary.kill()
      await replica.command('REPLICAOF', 'NO', 'ONE')
      for (const { proxy } of pair) {
        proxy.redirect(replica.port)
        proxy.cut()
      }
      await reach(pair, newEpoch)
      await reach(pair, up)
      await expectRecovery(pair)
      await replication.close()
    })
  })

  it('does not prevent the close of a journal', async () => {
    const server = await serve()
    const pair = await begin(server)
    server.signal('SIGSTOP')
    const appending = pair.map((instance) => instance.append())
    await Promise.all(pair.map((instance) => instance.close()))
    await Promise.all(appending)
  })
})
