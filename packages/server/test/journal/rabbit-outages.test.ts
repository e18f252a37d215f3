/**
 * Two instances write into one stream while its server, its queue or the network fails. Both read every acknowledged
 * entry exactly once, at the same offsets.
 */
import { setTimeout } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { LastcallError } from '../../src/errors.js'
import type { Journal } from '../../src/journal/journal.js'
import { message, messages, record, type Recorder } from '../../src/testing/index.js'
import { lacksRabbit, RabbitServer, START_TIMEOUT_MS, type Alarm } from '../support/rabbitmq-server.js'
import { RabbitPlace } from './rabbit-place.js'

vi.setConfig({ testTimeout: START_TIMEOUT_MS, hookTimeout: START_TIMEOUT_MS })

/** Between two attempts to append, and between an answer and the next append. */
const PAUSE_MS = 5

/** An instance: it appends one entry after the other until it is stopped. */
class Instance {
  readonly name: string
  readonly journal: Journal
  readonly recorder: Recorder
  readonly acked: string[] = []
  readonly refusals: LastcallError[] = []
  #isOver = false
  #writing: Promise<void> | undefined

  private constructor(name: string, journal: Journal, recorder: Recorder) {
    this.name = name
    this.journal = journal
    this.recorder = recorder
  }

  static async start(name: string, place: RabbitPlace): Promise<Instance> {
    const journal = await place.open()
    return new Instance(name, journal, await record(journal))
  }

  write(): void {
    this.#writing = this.#write()
  }

  async #write(): Promise<void> {
    for (let sequence = 1; !this.#isOver; sequence++) {
      try {
        await this.journal.append([message('x', { node: this.name, sequence })])
        this.acked.push(`${this.name}:${sequence}`)
      } catch (error) {
        if (!(error instanceof LastcallError && error.code === 'journal_unavailable' && error.temporary)) throw error
        this.refusals.push(error)
      }
      await setTimeout(PAUSE_MS)
    }
  }

  /** Resolves when so many more appends have been acknowledged. */
  async hasWritten(count: number): Promise<void> {
    const enough = this.acked.length + count
    while (this.acked.length < enough) await Promise.race([setTimeout(PAUSE_MS), this.#writing])
  }

  /** Resolves when an append is refused with such a reason. */
  async isRefused(reason: RegExp): Promise<void> {
    while (!reason.test(this.refusals.at(-1)?.message ?? '')) await Promise.race([setTimeout(PAUSE_MS), this.#writing])
  }

  async stop(): Promise<void> {
    this.#isOver = true
    await this.#writing
  }
}

/**
 * Omits the offsets at which the readers begin: when a second instance has also written the start of an epoch, one reader
 * reads a placeholder for it, and a reader that begins later begins behind it.
 */
const epochsOf = ({ recorder }: Instance): string[] => recorder.epochs.map(({ epoch }) => epoch)

describe.skipIf(lacksRabbit())('an outage of RabbitMQ', () => {
  let server: RabbitServer

  beforeAll(async () => {
    server = await RabbitServer.start()
  })

  afterAll(() => server.dispose())

  function makePlace(): RabbitPlace {
    const place = new RabbitPlace(server)
    onTestFinished(() => place.dispose())
    return place
  }

  async function startTwo(place: RabbitPlace): Promise<readonly [Instance, Instance]> {
    const both = [await Instance.start('one', place), await Instance.start('other', place)] as const
    for (const instance of both) instance.write()
    for (const instance of both) await instance.hasWritten(10)
    return both
  }

  const lost = (both: readonly Instance[]): Promise<unknown> =>
    Promise.all(both.map(({ recorder }) => recorder.until(({ isAvailable }) => !isAvailable)))

  const back = (both: readonly Instance[]): Promise<unknown> =>
    Promise.all(both.map(({ recorder }) => recorder.until(({ isAvailable }) => isAvailable)))

  /** Both write again, and what they read is what was acknowledged. */
  async function expectNothingLost(both: readonly [Instance, Instance], epochs = 1): Promise<void> {
    await back(both)
    for (const instance of both) await instance.hasWritten(10)
    for (const instance of both) await instance.stop()
    const [one, other] = both
    for (const { recorder } of both) {
      for (const { acked } of both) await recorder.until(({ origins }) => origins.includes(acked.at(-1) ?? ''))
    }
    expect(epochsOf(one)).toEqual(epochsOf(other))
    expect(epochsOf(one)).toHaveLength(epochs)
    const places = ({ recorder }: Instance): string[] =>
      recorder.written.map(({ offset, node, sequence }) => `${offset} ${node}:${sequence}`)
    const common = Math.min(places(one).length, places(other).length)
    expect(places(one).slice(0, common)).toEqual(places(other).slice(0, common))
    for (const { acked } of both) {
      const read = one.recorder.origins.filter((origin) => acked.includes(origin))
      // The journal has each entry once, in the order of the appends.
      expect(read).toEqual(acked)
    }
  }

  test('a restart: the instances wait until the queue exists again', async () => {
    const both = await startTwo(makePlace())
    await server.stop()
    await lost(both)
    await server.start()
    await expectNothingLost(both)
  })

  test('kill -9', async () => {
    const both = await startTwo(makePlace())
    await server.kill()
    await lost(both)
    await server.start()
    await expectNothingLost(both)
  })

  test('a server that is stopped (SIGSTOP) until heartbeats detect it, and continues', async () => {
    const both = await startTwo(makePlace())
    server.pause()
    await Promise.all(both.map((instance) => instance.isRefused(/Heartbeat timeout/)))
    server.resume()
    await expectNothingLost(both)
  })

  test('connections that break again and again', async () => {
    const place = makePlace()
    const both = await startTwo(place)
    for (let count = 0; count < 5; count++) {
      for (const proxy of place.proxies) proxy.cut()
      await lost(both)
      await back(both)
    }
    await expectNothingLost(both)
  })

  test('connections that pass no byte', async () => {
    const place = makePlace()
    const both = await startTwo(place)
    for (const proxy of place.proxies) proxy.stall()
    await lost(both)
    for (const proxy of place.proxies) proxy.resume()
    await expectNothingLost(both)
  })

  test('connections that pass no byte while nothing is appended: heartbeats detect it', async () => {
    const place = makePlace()
    const journal = await place.open()
    const recorder = await record(journal)
    for (const proxy of place.proxies) proxy.stall()
    await recorder.until(({ isAvailable }) => !isAvailable)
    for (const proxy of place.proxies) proxy.resume()
    await recorder.until(({ isAvailable }) => isAvailable)
    await journal.append([message('marker')])
    expect(recorder.epochs).toHaveLength(1)
  })

  test('half-closed connections', async () => {
    const place = makePlace()
    const both = await startTwo(place)
    for (const proxy of place.proxies) proxy.halfClose()
    await lost(both)
    await expectNothingLost(both)
  })

  test.each<Alarm>(['memory', 'disk'])(
    'a shortage of %s: appends are refused with the reason, reading goes on',
    async (alarm) => {
      const place = makePlace()
      const both = await startTwo(place)
      server.setAlarm(alarm, true)
      onTestFinished(() => server.setAlarm(alarm, false))
      await lost(both)
      const refusal = await both[0].journal.append(messages(1)).catch((error: unknown) => error)
      expect(refusal).toMatchObject({ code: 'journal_unavailable', temporary: true })
      expect(String(refusal)).toMatch(alarm)
      server.setAlarm(alarm, false)
      await expectNothingLost(both)
      // The blocked connections are still in use, and their entries come first.
      expect(both[0].recorder.availability.filter(({ available }) => available)).toHaveLength(1)
    },
  )

  test('channels that the server ends', async () => {
    const both = await startTwo(makePlace())
    server.evaluate('[exit(Channel, kill) || Channel <- rabbit_channel:list()]')
    await lost(both)
    await expectNothingLost(both)
  })

  test('a deleted queue: a new epoch begins, and both instances continue in it', async () => {
    const place = makePlace()
    const both = await startTwo(place)
    await place.deleteQueue()
    await Promise.all(both.map(({ recorder }) => recorder.until(({ epochs }) => epochs.length > 1)))
    await back(both)
    const begun = both.map(({ acked }) => acked.length)
    for (const instance of both) await instance.hasWritten(10)
    for (const instance of both) await instance.stop()
    for (const { recorder } of both) {
      for (const { acked } of both) await recorder.until(({ origins }) => origins.includes(acked.at(-1) ?? ''))
      for (const [index, { acked }] of both.entries()) {
        const since = acked.slice(begun[index])
        expect(recorder.current.map(({ node, sequence }) => `${node}:${sequence}`)).toEqual(
          expect.arrayContaining(since),
        )
      }
    }
    expect(epochsOf(both[0]).at(-1)).toBe(epochsOf(both[1]).at(-1))
  })

  test('the readers do not mistake a late stream for one that has lost entries', async () => {
    const place = makePlace()
    const journal = await place.open()
    const recorder = await record(journal)
    await journal.append(messages(3))
    // The process of RabbitMQ that writes the stream also notifies the readers. The test lets it run only for short moments,
    // while the server answers everything else.
    const writers = `[P || P <- processes(), {dictionary, D} <- [process_info(P, dictionary)],
      proplists:get_value('$initial_call', D) =:= {osiris_writer, init, 1}]`
    const slow = `fun Slow(_, 0) -> ok;
      Slow(P, N) -> erlang:suspend_process(P), timer:sleep(100), erlang:resume_process(P), timer:sleep(1), Slow(P, N - 1) end`
    expect(server.evaluate(`Writers = ${writers}, [spawn(fun() -> (${slow})(P, 30) end) || P <- Writers]`)).toMatch(
      /<.*>/,
    )
    for (const proxy of place.proxies) proxy.cut()
    await recorder.until(({ isAvailable }) => !isAvailable)
    await recorder.until(({ isAvailable }) => isAvailable)
    await journal.append([message('marker')])
    expect(recorder.epochs).toHaveLength(1)
    expect(recorder.written).toHaveLength(4)
  })

  test('a journal that is closed meanwhile ends and settles its pending appends', async () => {
    const place = makePlace()
    const journal = await place.open()
    await record(journal)
    for (const proxy of place.proxies) proxy.stall()
    const appends = Promise.allSettled(Array.from({ length: 10 }, () => journal.append(messages(2))))
    await journal.close()
    for (const { status } of await appends) expect(status).toBe('rejected')
  })
})
