/**
 * The servers that a Redis journal accepts, the search for the right one, and the errors about the others.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Journal } from '../../../src/journal/journal.js'
import { openJournal } from '../../../src/journal/open-journal.js'
import type { LogEvent, LogFields, Logger } from '../../../src/observability/log.js'
import { silentLogger } from '../../../src/observability/log.js'
import { messages, record, UNLIMITED } from '../../../src/testing/index.js'
import { certFile, keyFile } from '../../support/certificates.js'
import { freePort } from '../../support/free-port.js'
import { lacksRedis, RedisServer } from '../../support/redis-server.js'

/** Keeps the lines, and calls back at each. */
class LogCatcher {
  readonly lines: string[] = []
  readonly logger: Logger
  #waiting: (() => void)[] = []

  constructor() {
    const line = (event: LogEvent, ...rest: [string] | [LogFields, string]): void => {
      this.lines.push(
        `${event}: ${rest.map((each) => (typeof each === 'string' ? each : inspectFields(each))).join(' ')}`,
      )
      for (const resolve of this.#waiting.splice(0)) resolve()
    }
    this.logger = { ...silentLogger, info: line, warn: line, error: line }
  }

  async said(text: string): Promise<void> {
    while (!this.lines.some((line) => line.includes(text))) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    }
  }
}

const inspectFields = (fields: LogFields): string => Object.values(fields).map(String).join(' ')

describe.skipIf(lacksRedis())('a Redis journal', () => {
  let servers: RedisServer[]
  let journals: Journal[]
  let log: LogCatcher

  beforeEach(() => {
    servers = []
    journals = []
    log = new LogCatcher()
  })

  afterEach(async () => {
    await Promise.all(journals.map((journal) => journal.close()))
    await Promise.all(servers.map((server) => server.dispose()))
  })

  async function serve(...args: string[]): Promise<RedisServer> {
    const server = await RedisServer.start(...args)
    servers.push(server)
    return server
  }

  async function open(url: string, signal?: AbortSignal): Promise<Journal> {
    const journal = await openJournal(url, { retention: UNLIMITED, timeoutMs: 1000, log: log.logger, signal })
    journals.push(journal)
    return journal
  }

  async function expectToWork(journal: Journal): Promise<void> {
    const recorder = await record(journal)
    await journal.append(messages(3))
    await recorder.until(({ written }) => written.length >= 3)
  }

  describe('refuses at once, without a secret in the message,', () => {
    it.each<[string, string[], string[][], string, string, string]>([
      [
        'a wrong password',
        ['--requirepass', 'right'],
        [],
        ':hunter2@',
        'config_invalid',
        'refuses the user or the password',
      ],
      ['no password where one is needed', ['--requirepass', 'right'], [], '', 'config_invalid', 'asks for a password'],
      ['a password where there is none', [], [], ':hunter2@', 'config_invalid', 'has no password'],
      [
        'a user who may not append',
        [],
        [['ACL', 'SETUSER', 'reader', 'on', '>hunter2', '~*', '+@all', '-xadd']],
        'reader:hunter2@',
        'config_invalid',
        'lacks a permission; it needs +info +xadd',
      ],
      ['a key of another type', [], [['SET', 'j', 'text']], '', 'journal_unusable', 'another type than a stream'],
      [
        'a stream of another program',
        [],
        [['XADD', 'j', '*', 'a', 'b']],
        '',
        'journal_unusable',
        'a stream of another program',
      ],
    ])('%s', async (_, args, commands, credentials, code, text) => {
      const server = await serve(...args)
      for (const command of commands) await server.command(...command)
      const opening = open(`redis://${credentials}127.0.0.1:${server.port}?key=j`)
      await expect(opening).rejects.toMatchObject({ code, temporary: false })
      const message = await opening.then(
        () => '',
        (error: unknown) => String(error),
      )
      expect(message).toContain(text)
      expect(message).toContain(`127.0.0.1:${server.port}`)
      expect(message + log.lines.join('\n')).not.toContain('hunter2')
    })

    it('a missing database', async () => {
      const server = await serve('--databases', '2')
      await expect(open(`${server.url}/2`)).rejects.toMatchObject({ code: 'config_invalid' })
      await expectToWork(await open(`${server.url}/1`))
    })
  })

  it('waits for an absent server with one log line, and works as soon as it starts', async () => {
    const server = await serve()
    await server.kill()
    const opening = open(server.url)
    await log.said('the server starts as soon as the journal can be reached')
    await server.start()
    await expectToWork(await opening)
    expect(log.lines.filter((line) => line.startsWith('journal.unavailable'))).toHaveLength(1)
    expect(log.lines.filter((line) => line.startsWith('journal.available'))).toHaveLength(1)
  })

  it('stops waiting when the signal is aborted', async () => {
    const stopping = new AbortController()
    const opening = open(`redis://127.0.0.1:${await freePort()}`, stopping.signal)
    await log.said('cannot be reached')
    stopping.abort()
    await expect(opening).rejects.toMatchObject({ code: 'journal_unavailable' })
  })

  it('waits for a replica to become the primary', async () => {
    const [primary, replica] = [await serve(), await serve()]
    await replica.command('REPLICAOF', '127.0.0.1', String(primary.port))
    const opening = open(replica.url)
    await log.said('it is a replica, which takes no entries')
    await replica.command('REPLICAOF', 'NO', 'ONE')
    await expectToWork(await opening)
  })

  it('tries the hosts in order and uses the first primary', async () => {
    const [primary, replica] = [await serve(), await serve()]
    await replica.command('REPLICAOF', '127.0.0.1', String(primary.port))
    const nobody = await freePort()
    const journal = await open(`redis://127.0.0.1:${nobody},127.0.0.1:${replica.port},127.0.0.1:${primary.port}`)
    await expectToWork(journal)
    expect(await primary.command('XLEN', '{lastcall}:journal')).toBeGreaterThan(1)
  })

  it('needs only the permissions that its error names', async () => {
    const server = await serve()
    const permissions = [
      '+info',
      '+xadd',
      '+xread',
      '+xrange',
      '+xrevrange',
      '+xtrim',
      '+xinfo|stream',
      '+multi',
      '+exec',
    ]
    await server.command('ACL', 'SETUSER', 'lastcall', 'on', '>secret', '~j', ...permissions, '+select')
    await expectToWork(await open(`redis://lastcall:secret@127.0.0.1:${server.port}/1?key=j`))
    expect(log.lines.filter((line) => line.startsWith('config'))).toEqual([])
  })

  it('warns of a server that evicts keys', async () => {
    const server = await serve('--maxmemory', '100mb', '--maxmemory-policy', 'allkeys-lru')
    await expectToWork(await open(server.url))
    expect(log.lines.filter((line) => line.includes('maxmemory-policy is allkeys-lru'))).toHaveLength(1)
  })

  it('skips entries of another program in its stream, and warns once', async () => {
    const server = await serve()
    const journal = await open(`${server.url}?key=j`)
    const recorder = await record(journal)
    await journal.append(messages(1))
    for (const field of ['a', 'e', 'e']) await server.command('XADD', 'j', '*', field, 'no entry')
    await journal.append(messages(1))
    await recorder.until(({ entries }) => entries.length === 5)
    expect(recorder.entries.map(({ kind }) => kind)).toEqual(['message', 'unknown', 'unknown', 'unknown', 'message'])
    expect(log.lines.filter((line) => line.startsWith('journal.foreign'))).toHaveLength(1)
  })

  it('retains about as many entries and bytes as configured', async () => {
    const server = await serve()
    const retention = { ...UNLIMITED, maxEntries: 1000 }
    const few = await openJournal(`${server.url}?key=few`, { retention })
    journals.push(few)
    for (let count = 0; count < 30; count++) await few.append(messages(100))
    expect(Number(await server.command('XLEN', 'few'))).toBeLessThan(1300)
    const small = await openJournal(`${server.url}?key=small`, { retention: { ...UNLIMITED, maxBytes: 300_000 } })
    journals.push(small)
    const recorder = await record(small)
    for (let count = 0; count < 20; count++) await small.append(messages(50, 'x'.repeat(1000)))
    await recorder.until(({ written }) => written.length === 1000)
    while (Number(await server.command('XLEN', 'small')) > 450) await setTimeout(20)
    expect((await record(small)).written.length).toBeGreaterThan(200)
  })

  describe('over TLS', () => {
    it('accepts a server with a certificate of the CA file, and refuses another one at once', async () => {
      const port = String(await freePort())
      const files = ['--tls-cert-file', certFile('first'), '--tls-key-file', keyFile('first')]
      const args = ['--tls-port', port, ...files, '--tls-ca-cert-file', certFile('second')]
      await serve(...args, '--tls-auth-clients', 'yes')
      const client = `cert=${certFile('second')}&cert-key=${keyFile('second')}`
      const url = `rediss://localhost:${port}?${client}`
      await expectToWork(await open(`${url}&ca=${certFile('first')}`))
      await expect(open(url)).rejects.toMatchObject({ code: 'config_invalid' })
      await expect(open(`${url}&ca=${certFile('second')}`)).rejects.toMatchObject({ code: 'config_invalid' })
      await expect(open(`${url}&ca=/nowhere.pem`)).rejects.toThrow(
        'the file of the parameter ca cannot be read (ENOENT)',
      )
    })
  })

  it('follows the nodes of a cluster to the one that has its slot', async () => {
    const cluster = ['--cluster-enabled', 'yes']
    const [first, second] = [await serve(...cluster), await serve(...cluster)]
    await first.command('CLUSTER', 'ADDSLOTSRANGE', '0', '8191')
    await second.command('CLUSTER', 'ADDSLOTSRANGE', '8192', '16383')
    await second.command('CLUSTER', 'MEET', '127.0.0.1', String(first.port))
    for (const node of [first, second]) {
      while (!String(await node.command('CLUSTER', 'INFO')).includes('cluster_state:ok')) await setTimeout(10)
    }
    for (const node of [first, second]) await expectToWork(await open(`${node.url}?key=somewhere`))
    await expect(open(`${first.url}/1`)).rejects.toMatchObject({ code: 'config_invalid' })
  })

  it('asks Sentinels for the primary, and follows a failover', async () => {
    const [primary, replica] = [await serve(), await serve()]
    await replica.command('REPLICAOF', '127.0.0.1', String(primary.port))
    const config = join(primary.folder, 'sentinel.conf')
    const watch = `sentinel monitor news 127.0.0.1 ${primary.port} 1\nsentinel down-after-milliseconds news 300\n`
    writeFileSync(config, `${watch}sentinel failover-timeout news 2000\n`)
    const sentinel = await RedisServer.sentinel(config)
    servers.push(sentinel)
    const nobody = await freePort()
    const journal = await open(`redis://127.0.0.1:${nobody},127.0.0.1:${sentinel.port}?sentinel=news`)
    const recorder = await record(journal)
    await journal.append(messages(1))
    while (!String(await sentinel.command('SENTINEL', 'replicas', 'news')).includes(String(replica.port))) {
      await setTimeout(20)
    }
    while (Number(await replica.command('XLEN', '{lastcall}:journal')) < 2) await setTimeout(20)
    await primary.kill()
    await recorder.until(({ isAvailable }) => !isAvailable)
    await recorder.until(({ isAvailable }) => isAvailable)
    await expectToWork(journal)
    expect(Number(await replica.command('XLEN', '{lastcall}:journal'))).toBeGreaterThan(2)
    expect(recorder.epochs).toHaveLength(1)
  })
})
