/** The order of the messages to systemd, and which messages a newer one replaces. */
import { setImmediate } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { silentLogger, type Logger } from '../../src/observability/log.js'
import { QueuedNotifier } from '../../src/systemd/notifier.js'
import { FakeClock } from '../support/fake-clock.js'

interface World {
  readonly notifier: QueuedNotifier
  readonly clock: FakeClock
  /** The messages so far; each stays under way until it is settled. */
  readonly sent: string[]
  readonly warnings: unknown[]
  readonly settle: (error?: Error) => Promise<void>
}

function start(): World {
  const sent: string[] = []
  const warnings: unknown[] = []
  const clock = new FakeClock()
  let outcome: { resolve(): void; reject(error: Error): void } | undefined
  const log: Logger = { ...silentLogger, warn: (...line: readonly unknown[]) => void warnings.push(line) }
  const notifier = new QueuedNotifier({
    send: (assignments) =>
      new Promise((resolve, reject) => {
        expect(outcome).toBeUndefined()
        sent.push(assignments.join(' '))
        outcome = { resolve, reject }
      }),
    log,
    clock,
    monotonicUsec: () => BigInt(Math.round(clock.monotonic() * 1000)),
  })
  return {
    notifier,
    clock,
    sent,
    warnings,
    async settle(error) {
      await setImmediate()
      const settled = outcome
      outcome = undefined
      if (error) settled?.reject(error)
      else settled?.resolve()
      await setImmediate()
    },
  }
}

test('the states of one turn of the event loop form one message', async () => {
  const { notifier, sent, settle } = start()
  notifier.ready()
  notifier.status('Serving')
  notifier.extendTimeout(1500)
  notifier.alive()
  notifier.alive()
  await settle()
  expect(sent).toEqual(['READY=1 STATUS=Serving EXTEND_TIMEOUT_USEC=1500000 WATCHDOG=1'])
})

test('the notifier sends one message at a time, and only the newest status meanwhile', async () => {
  const { notifier, sent, settle } = start()
  notifier.ready()
  await setImmediate()
  notifier.status('one')
  notifier.alive()
  notifier.status('two')
  await setImmediate()
  expect(sent).toEqual(['READY=1'])
  await settle()
  expect(sent).toEqual(['READY=1', 'STATUS=two WATCHDOG=1'])
})

test('a reload carries its start time, and its end is a message of its own', async () => {
  const { notifier, clock, sent, settle } = start()
  clock.advance(1234)
  notifier.reloading()
  notifier.status('Reloading')
  clock.advance(1000)
  notifier.ready()
  notifier.status('Serving')
  notifier.stopping()
  for (let count = 0; count < 3; count++) await settle()
  expect(sent).toEqual(['RELOADING=1 MONOTONIC_USEC=1234000 STATUS=Reloading', 'READY=1 STATUS=Serving', 'STOPPING=1'])
})

test('after a failure the notifier reports only the last reload', async () => {
  const { notifier, clock, sent, settle } = start()
  notifier.ready()
  await setImmediate()
  for (let count = 0; count < 100; count++) {
    clock.advance(1)
    notifier.reloading()
    notifier.status(`reload ${count}`)
    notifier.ready()
  }
  for (let count = 0; count < 100; count++) await settle()
  expect(sent).toEqual(['READY=1', 'RELOADING=1 MONOTONIC_USEC=100000 STATUS=reload 99', 'READY=1'])
})

test('a status is one line of bounded length', async () => {
  const { notifier, sent, settle } = start()
  notifier.status('bad\nREADY=1\tand\u0000more')
  await settle()
  expect(sent).toEqual(['STATUS=bad READY=1 and more'])
  notifier.status('x'.repeat(10_000))
  await settle()
  expect(sent[1]).toHaveLength('STATUS='.length + 500)
})

test('the notifier logs a failure once, and again only after a delivered message', async () => {
  const { notifier, sent, warnings, settle } = start()
  for (let count = 0; count < 3; count++) {
    notifier.alive()
    await settle(new Error('no'))
  }
  expect(sent).toHaveLength(3)
  expect(warnings).toHaveLength(1)
  notifier.alive()
  await settle()
  notifier.alive()
  await settle(new Error('no'))
  expect(warnings).toHaveLength(2)
})

test('flush waits for the message under way and for waiting messages', async () => {
  const { notifier, settle } = start()
  let isFlushed = false
  notifier.ready()
  notifier.stopping()
  void notifier.flush(1000).then(() => (isFlushed = true))
  await settle()
  expect(isFlushed).toBe(false)
  await settle()
  expect(isFlushed).toBe(true)
  await notifier.flush(1000)
})

test('flush waits no longer than the given time', async () => {
  const { notifier, clock } = start()
  notifier.stopping()
  const flushed = notifier.flush(1000)
  await setImmediate()
  clock.advance(1000)
  await flushed
})
