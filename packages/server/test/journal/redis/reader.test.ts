/**
 * A reader of the stream, while the stream changes between two of its commands.
 */
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { systemClock } from '../../../src/clock.js'
import { encodeEntry } from '../../../src/journal/entry-codec.js'
import { ByteBudget } from '../../../src/journal/redis/byte-budget.js'
import { Epochs } from '../../../src/journal/redis/epochs.js'
import { RedisLink } from '../../../src/journal/redis/redis-link.js'
import { RedisReader } from '../../../src/journal/redis/redis-reader.js'
import { message, Recorder, UNLIMITED } from '../../../src/testing/index.js'
import { RecordingLogger } from '../../support/recording-logger.js'
import { lacksRedis, RedisServer } from '../../support/redis-server.js'

const KEY = 'reader'

describe.skipIf(lacksRedis())('a reader of the stream', () => {
  let server: RedisServer

  beforeEach(async () => {
    server = await RedisServer.start()
  })

  afterEach(() => server.dispose())

  it('begins a new epoch when the stream is emptied after the reply with the head', async () => {
    const epochs = new Epochs(Date.now, () => 7)
    const epoch = epochs.next()
    await server.command('XADD', KEY, `${epoch}-0`, 'e', '')
    const append = (): Promise<unknown> =>
      server.command('XADD', KEY, `${epoch}-*`, 'e', encodeEntry(message('some')).toString())
    await append()
    const address = { host: '127.0.0.1', port: server.port }
    let isArmed = false
    const dial = async (signal: AbortSignal): Promise<RedisLink> => {
      const common = { username: undefined, password: undefined, database: 0, tls: undefined, timeoutMs: 10_000 }
      const link = await RedisLink.connect({ address, signal, ...common })
      const call = link.call.bind(link)
      link.call = async (args, timeoutMs) => {
        if (!isArmed || args[0] !== 'XINFO') return call(args, timeoutMs)
        isArmed = false
        await append()
        const head = await call(args, timeoutMs)
        await server.command('DEL', KEY)
        return head
      }
      return link
    }
    const recorder = new Recorder()
    const reader = new RedisReader(recorder, {
      ...{ dial, where: 'Redis', key: KEY, retention: UNLIMITED, timeoutMs: 10_000, epochs, clock: systemClock },
      ...{ budget: new ByteBudget(2 ** 30), log: new RecordingLogger() },
      ...{ confirmed: () => undefined, onState: () => undefined },
    })
    const running = reader.run()
    onTestFinished(() => {
      reader.stop()
      return running
    })
    await reader.started
    expect(recorder.written).toHaveLength(1)
    isArmed = true
    await recorder.until(() => recorder.epochs.at(-1)?.epoch !== epoch)
    expect(recorder.epochs).toEqual([
      { epoch, nextOffset: 1 },
      { epoch: expect.any(String) as string, nextOffset: 1 },
    ])
  })
})
