/** Opening a RabbitMQ journal: the content of the URL, the obstacles, and the messages for an operator. */
import { EventEmitter, once } from 'node:events'
import { connect } from 'amqplib'
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest'
import { systemClock } from '../../src/clock.js'
import { configFrom } from '../../src/config/load-config.js'
import { LastcallError } from '../../src/errors.js'
import type { Journal } from '../../src/journal/journal.js'
import { parseRabbitUrl } from '../../src/journal/rabbit/address.js'
import { expectStreams } from '../../src/journal/rabbit/connection.js'
import { adjustedTo, argumentsFor } from '../../src/journal/rabbit/queue.js'
import { openRabbitJournal } from '../../src/journal/rabbit/rabbit-journal.js'
import { silentLogger, type LogFields } from '../../src/observability/log.js'
import { message, messages, record, UNLIMITED } from '../../src/testing/index.js'
import { certFile } from '../support/certificates.js'
import { freePort } from '../support/free-port.js'
import { lacksRabbit, RabbitServer, START_TIMEOUT_MS } from '../support/rabbitmq-server.js'
import { TcpProxy } from '../support/tcp-proxy.js'

vi.setConfig({ testTimeout: START_TIMEOUT_MS, hookTimeout: START_TIMEOUT_MS })

describe('an amqp: URL', () => {
  it('needs only a host', () => {
    expect(parseRabbitUrl('amqp://rabbit')).toEqual({
      ...{ protocol: 'amqp', hostname: 'rabbit', port: 5672, username: 'guest', password: 'guest' },
      ...{ vhost: '/', queue: 'lastcall.journal', ca: undefined },
    })
    expect(parseRabbitUrl('amqps://rabbit/').port).toBe(5671)
  })

  it('names user, virtual host and queue, percent-encoded', () => {
    expect(parseRabbitUrl('amqp://a%40b:p%2Fw%3A@[::1]:7/%2Fmine%25?queue=my%20queue')).toMatchObject({
      ...{ hostname: '::1', port: 7, username: 'a@b', password: 'p/w:', vhost: '/mine%', queue: 'my queue' },
    })
  })

  it.each([
    ['amqp://', 'it is not a URL'],
    ['amqp://host:port', 'it is not a URL'],
    ['amqp://host/%zz', 'virtual host is not percent-encoded'],
    ['amqp://host?heartbeat=1', 'parameter heartbeat'],
    ['amqp://host?queue=', 'has 1 to 255 bytes'],
    [`amqp://host?queue=${'x'.repeat(256)}`, 'has 1 to 255 bytes'],
    ['amqp://host?queue=amq.mine', 'begin with amq.'],
    ['amqp://host?ca=/etc/ca.pem', 'is for amqps:'],
    ['amqps://host?ca=/nowhere/ca.pem', 'cannot be read: /nowhere/ca.pem'],
  ])('%s is refused', (url, problem) => {
    expect(() => parseRabbitUrl(url)).toThrow(problem)
    expect(() => parseRabbitUrl(url.replace('//', '//anna:s3cret@'))).toThrow(/^(?!.*s3cret)/)
    // The server checks the configuration before it opens anything.
    const options = { journalUrl: url, sessionSecret: 'a secret of thirty-two bytes or more' }
    expect(() => configFrom(options)).toThrow(problem === 'it is not a URL' ? /journalUrl/ : problem)
  })
})

describe('the queue', () => {
  it('has the limits that the readers need, and at least a few segments', () => {
    const limits = (maxBytes: number): unknown => {
      const { 'x-stream-max-segment-size-bytes': segment, 'x-max-length-bytes': length } = argumentsFor({ maxBytes })
      return [segment, length]
    }
    expect(limits(2048)).toEqual([2 ** 20, 4 * 2 ** 20])
    expect(limits(2 ** 27)).toEqual([2 ** 23, 2 ** 27])
    expect(limits(2 ** 37)).toEqual([2 ** 26, 2 ** 37])
  })

  it('may exist with other limits but must be a stream', () => {
    const error = (name: string, values: string): Error =>
      new Error(`406 "PRECONDITION_FAILED - inequivalent arg '${name}' for queue 'q' in vhost '/': received ${values}"`)
    const wanted = { 'x-queue-type': 'stream', 'x-max-length-bytes': 5 }
    const length = 'x-max-length-bytes'
    expect(adjustedTo(wanted, error(length, "'5' but current is '7'"))).toEqual({ ...wanted, [length]: 7 })
    expect(adjustedTo(wanted, error(length, "the value '5' of type 'long' but current is none"))).toEqual({
      'x-queue-type': 'stream',
    })
    expect(adjustedTo(wanted, error('x-max-age', "none but current is the value '1h' of type 'longstr'"))).toEqual({
      ...wanted,
      'x-max-age': '1h',
    })
    expect(adjustedTo(wanted, error('x-queue-type', "'stream' but current is 'classic'"))).toBeUndefined()
    expect(adjustedTo(wanted, new Error('something else'))).toBeUndefined()
  })

  it.each(['3.8.35', '3.7.0', '2.99.1'])('cannot be on RabbitMQ %s', (version) => {
    expect(() => expectStreams({ product: 'RabbitMQ', version })).toThrow(`RabbitMQ ${version} has no stream queues`)
  })

  it.each(['3.9.0', '3.10.8', '4.2.0-rc.1', '10.0.0'])('can be on RabbitMQ %s', (version) => {
    expect(() => expectStreams({ product: 'RabbitMQ', version })).not.toThrow()
  })
})

describe.skipIf(lacksRabbit())('a start with RabbitMQ', () => {
  let server: RabbitServer
  let queueCount = 0
  const newQueue = (): string => `start.${++queueCount}`

  beforeAll(async () => {
    server = await RabbitServer.start()
    server.addUser('anna', 's3cret', ['.*', '.*', '.*'])
  })

  afterAll(() => server.dispose())

  const at = (rest: string, user = 'anna:s3cret'): string => `amqp://${user}@127.0.0.1:${server.port}${rest}`

  async function open(url: string, options: { maxBytes?: number; warnings?: LogFields[] } = {}): Promise<Journal> {
    const { maxBytes = UNLIMITED.maxBytes, warnings = [] } = options
    const journal = await openRabbitJournal(url, {
      retention: { ...UNLIMITED, maxBytes },
      clock: systemClock,
      timeoutMs: 2000,
      log: {
        ...silentLogger,
        warn: (_event, fields) => {
          if (typeof fields === 'object') warnings.push(fields)
        },
      },
    })
    onTestFinished(() => journal.close())
    return journal
  }

  /** The error of the refusal. No message or cause repeats the password. */
  async function refusal(url: string): Promise<LastcallError> {
    const error = await open(url).then(
      () => undefined,
      (reason: unknown) => reason,
    )
    if (!(error instanceof LastcallError)) throw new Error('it was opened', { cause: error })
    for (let each: unknown = error; each instanceof Error; each = each.cause) {
      expect(`${each.message} ${each.stack}`).not.toMatch(/s3cret|wr0ng/)
    }
    return error
  }

  const unusable = (text: RegExp): unknown =>
    expect.objectContaining({
      code: 'journal_unusable',
      temporary: false,
      message: expect.stringMatching(text) as string,
    })

  it('fails with a wrong password, an unknown virtual host, or no server', async () => {
    expect(await refusal(at('', 'anna:wr0ng'))).toEqual(
      unusable(/refuses the user anna: the name or the password is wrong/),
    )
    expect(await refusal(at('/nowhere'))).toEqual(unusable(/the virtual host nowhere does not exist, or the user anna/))
    const port = await freePort()
    expect(await refusal(`amqp://anna:s3cret@127.0.0.1:${port}`)).toMatchObject({
      ...{ code: 'journal_unavailable', temporary: true },
      message: `RabbitMQ at 127.0.0.1:${port}: connect ECONNREFUSED 127.0.0.1:${port}`,
    })
  })

  it('needs permission to configure, to write and to read', async () => {
    const queue = newQueue()
    await open(at(`?queue=${queue}`))
    for (const [index, permissions] of (
      [
        ['', '.*', '.*'],
        ['.*', '', '.*'],
        ['.*', '.*', ''],
      ] as const
    ).entries()) {
      server.addUser(`limited-${index}`, 's3cret', permissions)
      const url = at(`?queue=${queue}`, `limited-${index}:s3cret`)
      expect(await refusal(url)).toEqual(unusable(/needs the permissions "configure" and "read" on the queue/))
    }
    server.addUser('exact', 's3cret', [`^${queue}$`, '^amq[.]default$', `^${queue}$`])
    const journal = await open(at(`?queue=${queue}`, 'exact:s3cret'))
    await journal.append(messages(1))
    expect((await record(journal)).written).toHaveLength(1)
  })

  it('the journal refuses a queue that is not a stream or contains messages of another program', async () => {
    const connection = await connect(at(''))
    onTestFinished(() => connection.close())
    const channel = await connection.createConfirmChannel()
    const [classic, foreign] = [newQueue(), newQueue()]
    await channel.assertQueue(classic, { durable: true })
    await channel.assertQueue(foreign, { durable: true, arguments: { 'x-queue-type': 'stream' } })
    for (const queue of [classic, foreign]) channel.sendToQueue(queue, Buffer.from('an order'))
    await channel.waitForConfirms()
    expect(await refusal(at(`?queue=${classic}`))).toEqual(unusable(/exists and is not a stream that can be used/))
    expect(await refusal(at(`?queue=${foreign}`))).toEqual(unusable(/contains messages of another program/))
    expect((await channel.checkQueue(classic)).messageCount).toBe(1)
  })

  it('accepts a stream with other limits and warns once', async () => {
    const queue = newQueue()
    await open(at(`?queue=${queue}`), { maxBytes: 2 ** 27 })
    const warnings: LogFields[] = []
    const journal = await open(at(`?queue=${queue}`), { maxBytes: 2 ** 28, warnings })
    await record(journal)
    expect(warnings).toMatchObject([
      { wanted: { 'x-max-length-bytes': 2 ** 28 }, current: { 'x-max-length-bytes': 2 ** 27 } },
    ])
    await journal.append([message('marker')])
  })

  it('uses TLS, and trusts only the configured certificates', async () => {
    const url = `amqps://anna:s3cret@127.0.0.1:${server.tlsPort}/?queue=${newQueue()}`
    expect(await refusal(url)).toEqual(unusable(/its certificate cannot be verified; ca=FILE in the URL/))
    expect(await refusal(`${url}&ca=${certFile('second')}`)).toEqual(unusable(/cannot be verified/))
    const journal = await open(`${url}&ca=${certFile('first')}`)
    const recorder = await record(journal)
    await journal.append(messages(1))
    await recorder.until(({ written }) => written.length === 1)
  })

  it('by several instances at once creates one journal', async () => {
    const queue = newQueue()
    const openPatiently = async (): Promise<Journal> => {
      for (;;) {
        try {
          return await open(at(`?queue=${queue}`))
        } catch (error) {
          // RabbitMQ lists the queue before its stream has started.
          if (!(error instanceof LastcallError && error.temporary)) throw error
        }
      }
    }
    const journals = await Promise.all(Array.from({ length: 8 }, openPatiently))
    const recorders = await Promise.all(journals.map((journal) => record(journal)))
    await Promise.all(journals.map((journal) => journal.append(messages(1))))
    await Promise.all(recorders.map((recorder) => recorder.until(({ written }) => written.length === journals.length)))
    for (const { epochs, origins, offsets } of recorders) {
      expect(new Set(epochs.map(({ epoch }) => epoch)).size).toBe(1)
      expect(epochs[0]?.epoch).toBe(recorders[0]?.epochs[0]?.epoch)
      expect(origins).toEqual(recorders[0]?.origins)
      expect(offsets.at(-1)).toBe(recorders[0]?.offsets.at(-1))
    }
  })

  it('refuses an entry that is larger than a message of RabbitMQ, and sends nothing of its append', async () => {
    const journal = await open(at(`?queue=${newQueue()}`))
    const recorder = await record(journal)
    const tooLarge = journal.append([message('small'), message('x'.repeat(17 * 2 ** 20))])
    await expect(tooLarge).rejects.toMatchObject({ code: 'entry_too_large', temporary: false })
    await journal.append([message('marker')])
    await recorder.until(({ written }) => written.length === 1)
    expect(recorder.written).toMatchObject([{ data: '"marker"' }])
  })

  it('an operator can mend permissions while the server runs', async () => {
    const queue = newQueue()
    server.addUser('changing', 's3cret', ['.*', '.*', '.*'])
    const journal = await open(at(`?queue=${queue}`, 'changing:s3cret'))
    const recorder = await record(journal)
    server.setPermissions('changing', ['.*', '', '.*'])
    server.evaluate('[exit(Channel, kill) || Channel <- rabbit_channel:list()]')
    await recorder.until(({ isAvailable }) => !isAvailable)
    await expect(journal.append(messages(1))).rejects.toMatchObject({ code: 'journal_unavailable', temporary: true })
    server.setPermissions('changing', ['.*', '.*', '.*'])
    await recorder.until(({ isAvailable }) => isAvailable)
    await journal.append(messages(1))
  })

  it('tail waits when the connection breaks after the opening', async () => {
    const proxy = await TcpProxy.to(server.port)
    const events = new EventEmitter()
    const journal = await openRabbitJournal(server.url(newQueue(), proxy.port), {
      ...{ retention: { ...UNLIMITED, maxBytes: 2 ** 26 }, clock: systemClock, timeoutMs: 2000 },
      log: { ...silentLogger, error: (event) => events.emit(event) },
    })
    onTestFinished(() => journal.close())
    const isUnreachable = once(events, 'journal.unavailable')
    proxy.refuse()
    const recording = record(journal)
    await Promise.race([isUnreachable, recording])
    proxy.accept()
    const recorder = await recording
    await recorder.until(({ isAvailable }) => isAvailable)
    await journal.append([message('after the break')])
    await recorder.until(({ written }) => written.length === 1)
    await proxy.close()
  })
})
