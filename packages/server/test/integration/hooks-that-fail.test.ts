/**
 * A faulty hook costs at most one message.
 */
import { runInNewContext } from 'node:vm'
import { describe, expect, test } from 'vitest'
import type { Hooks } from '../../src/index.js'
import { RecordingLogger } from '../support/recording-logger.js'
import { startServer } from '../support/test-server.js'

const cycle: Record<string, unknown> = {}
cycle['self'] = cycle

describe('onMessage', () => {
  test.each<[what: string, onMessage: () => unknown]>([
    [
      'throws',
      () => {
        throw new Error('no')
      },
    ],
    ['rejects', () => Promise.reject(new Error('no'))],
    ['answers null', () => null],
    ['answers true', () => true],
    ['answers a refusal that is no text', () => ({ refuse: 1 })],
    ['answers data that JSON does not have', () => ({ data: () => undefined })],
    ['answers no data', () => ({ data: undefined })],
    ['answers a bigint', () => ({ data: 1n })],
    ['answers a cycle', () => Promise.resolve({ data: cycle })],
    [
      'answers a promise of another realm that rejects',
      (): unknown => runInNewContext('Promise.reject(new Error("no"))'),
    ],
  ])('that %s refuses the message, and one line names it', async (_what, fail) => {
    const logger = new RecordingLogger()
    const hooks = { onMessage: ({ data }: { data: unknown }) => (data === 'bad' ? fail() : undefined) } as Hooks
    const server = await startServer({ hooks, logger, presenceIntervalMs: 0 })
    const [a, b] = [await server.connect('a'), await server.connect('b')]
    a.send({ type: 'message', data: 'bad', id: '1' })
    expect(await a.first('error')).toMatchObject({ code: 'internal', id: '1', temporary: true })
    await a.publish('good')
    expect((await b.first('message')).data).toBe('good')
    expect(logger.all('hook.failed')).toMatchObject([{ fields: { hook: 'onMessage', clientId: 'a' } }])
  })

  test('that never settles costs only that message', { timeout: 180_000 }, async () => {
    const logger = new RecordingLogger()
    const never = new Promise<never>(() => undefined)
    const hooks: Hooks = { onMessage: ({ data }) => (data === 'bad' ? never : undefined) }
    const server = await startServer({ hooks, logger, presenceIntervalMs: 0 })
    const [a, b] = [await server.connect('a'), await server.connect('b')]
    a.send({ type: 'message', data: 'bad', id: '1' })
    a.send({ type: 'message', data: 'good', id: '2' })
    // Meanwhile other clients publish.
    await b.publish('hello')
    await a.first('message', ({ data }) => data === 'hello')
    expect(a.all('error')).toEqual([])
    expect(await a.first('error')).toMatchObject({ code: 'internal', id: '1', temporary: true })
    await a.first('ack', ({ id }) => id === '2')
    expect((await b.first('message')).data).toBe('good')
    expect(logger.all('hook.failed')).toMatchObject([{ fields: { hook: 'onMessage', clientId: 'a' } }])
  })

  test('refuses with a promise of another realm', async () => {
    const onMessage = (): Promise<{ refuse: string }> =>
      runInNewContext('Promise.resolve({ refuse: "not here" })') as Promise<{ refuse: string }>
    const server = await startServer({ hooks: { onMessage }, presenceIntervalMs: 0 })
    const a = await server.connect('a')
    a.send({ type: 'message', data: 1, id: '1' })
    const error = await a.first('error')
    expect(error).toMatchObject({ code: 'forbidden', id: '1' })
    expect(error.message).toContain('not here')
  })

  test('changes a message with a promise of another realm', async () => {
    const onMessage = (): Promise<{ data: number }> =>
      runInNewContext('Promise.resolve({ data: 7 })') as Promise<{ data: number }>
    const server = await startServer({ hooks: { onMessage }, presenceIntervalMs: 0 })
    const [a, b] = [await server.connect('a'), await server.connect('b')]
    await a.publish(1)
    expect((await b.first('message')).data).toBe(7)
  })
})

describe('onDisconnect', () => {
  test.each<[what: string, onDisconnect: () => unknown]>([
    [
      'throws',
      () => {
        throw new Error('no')
      },
    ],
    ['rejects', () => Promise.reject(new Error('no'))],
    ['rejects in another realm', (): unknown => runInNewContext('Promise.reject(new Error("no"))')],
  ])('that %s is one line in the log', async (_what, onDisconnect) => {
    const logger = new RecordingLogger()
    const server = await startServer({ hooks: { onDisconnect } as Hooks, logger })
    const a = await server.connect('a')
    await a.leave()
    expect(await logger.first('hook.failed')).toMatchObject({ fields: { hook: 'onDisconnect', clientId: 'a' } })
    await server.connect('b')
    expect(logger.all('hook.failed')).toHaveLength(1)
  })
})
