/**
 * The shutdown step by step, with a fake clock and fake sockets.
 */
import type { ShutdownMessage } from '@lastcall/protocol'
import { describe, expect, onTestFinished, test } from 'vitest'
import { ConnectionManager } from '../../src/connections/connection-manager.js'
import type { LogEvent, LogFields, Logger } from '../../src/observability/log.js'
import type { DrainReport } from '../../src/shutdown/drain-report.js'
import { GracefulShutdownManager } from '../../src/shutdown/graceful-shutdown-manager.js'
import type { GracefulShutdownOptions } from '../../src/shutdown/shutdown-options.js'
import { FakeClock } from '../support/fake-clock.js'
import { FakeTransport, type FakeTransportOptions } from '../support/fake-transport.js'

interface Line {
  readonly event: LogEvent
  readonly fields: LogFields
}

function recordingLogger(): { log: Logger; lines: Line[]; of: (event: LogEvent) => LogFields[] } {
  const lines: Line[] = []
  const write = (event: LogEvent, fields: LogFields | string): void => {
    lines.push({ event, fields: typeof fields === 'string' ? {} : fields })
  }
  const log: Logger = {
    enabled: () => true,
    debug: write,
    info: write,
    warn: write,
    error: write,
    child: () => log,
    flush: () => undefined,
  }
  return { log, lines, of: (event) => lines.filter((line) => line.event === event).map(({ fields }) => fields) }
}

interface Drill {
  readonly shutdown: GracefulShutdownManager
  readonly connections: ConnectionManager
  readonly clock: FakeClock
  readonly states: string[]
  readonly log: ReturnType<typeof recordingLogger>
  readonly join: (clientId: string, options?: FakeTransportOptions) => FakeTransport
  /** Whether every client has left and everything is closed. */
  readonly ended: () => Promise<DrainReport | undefined>
}

function drill(options: Partial<GracefulShutdownOptions> = {}): Drill {
  const clock = new FakeClock()
  const connections = new ConnectionManager({ clock, closeTimeoutSeconds: 5, heartbeatIntervalSeconds: 86_400 })
  const states: string[] = []
  const log = recordingLogger()
  const shutdown = new GracefulShutdownManager({
    connectionManager: connections,
    timeoutSeconds: 100,
    clock,
    log: log.log,
    ...options,
  })
  shutdown.observe((state) => states.push(state))
  shutdown.started()
  let report: DrainReport | undefined
  void shutdown.waitForShutdown().then((value) => (report = value))
  return {
    shutdown,
    connections,
    clock,
    states,
    log,
    join(clientId, transportOptions) {
      const transport = new FakeTransport(transportOptions)
      const connection = connections.connect(transport, clientId)
      transport.onEnd = (code) => connections.disconnect(connection, code)
      return transport
    },
    async ended() {
      await new Promise((resolve) => setImmediate(resolve))
      return report
    },
  }
}

const told = (transport: FakeTransport): ShutdownMessage[] => transport.messages as unknown as ShutdownMessage[]
const phases = (transport: FakeTransport): string[] => told(transport).map(({ phase }) => phase)
const crowd = (count: number): string[] => Array.from({ length: count }, (_, index) => `c${index}`)
const closes = (all: readonly FakeTransport[]): number => all.filter(({ isOpen }) => !isOpen).length

describe('a shutdown', () => {
  test('is one that has begun for whoever is told of its states', () => {
    const { shutdown, clock, join } = drill({ timeoutSeconds: 1800 })
    join('anna')
    const seen: unknown[] = []
    shutdown.observe((state) => {
      seen.push(state === 'draining' ? [shutdown.remainingMs, shutdown.report?.connectionsAtStart] : state)
    })
    clock.advance(5000)
    shutdown.begin('test')
    shutdown.cancel('test')
    clock.advance(5000)
    join('borys')
    shutdown.begin('test', { timeoutSeconds: 60 })
    expect(seen).toEqual([[1_800_000, 1], 'serving', [60_000, 2]])
  })

  test('warns every client at once with the remaining time and without a slot', () => {
    const { shutdown, join, states } = drill({ timeoutSeconds: 1800 })
    const all = crowd(3).map((clientId) => join(clientId))
    shutdown.begin('request')
    for (const transport of all) {
      expect(told(transport)).toEqual([
        {
          type: 'shutdown',
          phase: 'warning',
          deadlineInMs: 1_800_000,
          leaveInMs: expect.any(Number) as number,
          remaining: 3,
          text: expect.stringContaining('30 хвилин') as string,
        },
      ])
      expect(transport.isOpen).toBe(true)
    }
    expect(states).toEqual(['serving', 'draining'])
    expect([shutdown.isReady, shutdown.isShuttingDown, shutdown.isClosedToNewcomers]).toEqual([false, true, true])
  })

  test('that is asked for again does not start again', () => {
    const { shutdown, join, clock } = drill()
    const anna = join('anna')
    shutdown.begin('first')
    clock.advance(1000)
    shutdown.begin('second')
    expect(phases(anna)).toEqual(['warning'])
    expect(shutdown.report).toMatchObject({ why: 'first', durationSeconds: 1 })
  })

  test('ends as soon as the last client has left, and closes no client before', async () => {
    const { shutdown, join, clock, ended } = drill()
    const [anna, bob] = [join('anna'), join('bob')]
    shutdown.begin('request')
    clock.advance(20_000)
    anna.end(1000)
    clock.advance(20_000)
    expect(bob.isOpen).toBe(true)
    expect(await ended()).toBeUndefined()
    bob.end(1001)
    expect(await ended()).toMatchObject({ connectionsAtStart: 2, left: 2, remaining: 0, durationSeconds: 40 })
    expect(shutdown.state).toBe('closed')
  })

  test('of an empty server ends at once', async () => {
    const { shutdown, ended } = drill()
    shutdown.begin('request')
    expect(await ended()).toMatchObject({ connectionsAtStart: 0, remaining: 0 })
  })

  test('reminds at half time, a minute and ten seconds before the end, each time with the time that is left', () => {
    const { shutdown, join, clock } = drill({ timeoutSeconds: 180 })
    const anna = join('anna')
    shutdown.begin('request')
    clock.advance(179_000)
    expect(told(anna).map(({ phase, deadlineInMs }) => [phase, deadlineInMs])).toEqual([
      ['warning', 180_000],
      ['reminder', 90_000],
      ['reminder', 60_000],
      ['reminder', 10_000],
    ])
  })

  test('may begin before the server serves', async () => {
    const clock = new FakeClock()
    const connectionManager = new ConnectionManager({ clock })
    const shutdown = new GracefulShutdownManager({ connectionManager, clock })
    expect([shutdown.state, shutdown.isReady]).toEqual(['starting', false])
    shutdown.begin('request')
    await shutdown.waitForShutdown()
    shutdown.started()
    expect(shutdown.state).toBe('closed')
  })
})

describe('at the deadline', () => {
  test('a remaining client gets the last frame and 1001', async () => {
    const { shutdown, join, clock, ended, states } = drill({ timeoutSeconds: 100 })
    const anna = join('anna')
    shutdown.begin('request')
    clock.advance(99_900)
    expect(anna.isOpen).toBe(true)
    clock.advance(100)
    expect(phases(anna).at(-1)).toBe('closing')
    expect(told(anna).at(-1)).toMatchObject({ deadlineInMs: 0, leaveInMs: 0, remaining: 1 })
    expect(anna.calls.at(-1)).toMatch(/^close 1001 Сервер завершує роботу/)
    expect(await ended()).toMatchObject({ closedAtDeadline: 1, left: 0, lost: 0, remaining: 0 })
    expect(states).toEqual(['serving', 'draining', 'closing', 'closed'])
  })

  test('the close code may be 1012', () => {
    const { shutdown, join, clock } = drill({ timeoutSeconds: 1, closeCode: 1012 })
    const anna = join('anna')
    shutdown.begin('request')
    clock.advance(1000)
    expect(anna.calls.at(-1)).toMatch(/^close 1012 /)
  })

  test('the closes of many clients are paced and over in time', () => {
    const { shutdown, join, clock } = drill({ timeoutSeconds: 100 })
    const all = crowd(4000).map((clientId) => join(clientId))
    shutdown.begin('request')
    clock.advance(95_000)
    expect(closes(all)).toBe(0)
    let before = 0
    const perTick: number[] = []
    for (let tick = 0; tick < 100; tick++) {
      clock.advance(50)
      perTick.push(closes(all) - before)
      before = closes(all)
    }
    expect(closes(all)).toBe(4000)
    expect(Math.max(...perTick)).toBeLessThanOrEqual(60)
  })

  test('with a timeout of 0 every client is closed at once', async () => {
    const { shutdown, join, clock, ended } = drill({ timeoutSeconds: 0 })
    const all = crowd(2000).map((clientId) => join(clientId))
    shutdown.begin('request')
    clock.advance(50)
    await expect.poll(() => closes(all)).toBe(2000)
    expect(await ended()).toMatchObject({ closedAtDeadline: 2000, remaining: 0 })
  })

  test('a client that does not answer the close is terminated after CLOSE_TIMEOUT and counts as lost', async () => {
    const { shutdown, join, clock, ended } = drill({ timeoutSeconds: 10 })
    const anna = join('anna', { answersClose: false })
    shutdown.begin('request')
    clock.advance(10_000)
    expect(anna.isOpen).toBe(false)
    clock.advance(4_900)
    expect(await ended()).toBeUndefined()
    clock.advance(200)
    expect(await ended()).toMatchObject({ lost: 1, closedAtDeadline: 0, remaining: 0 })
  })

  test('a client that leaves by itself while others are being closed has left', async () => {
    const { shutdown, join, clock, ended } = drill({ timeoutSeconds: 10 })
    const all = crowd(2000).map((clientId) => join(clientId))
    shutdown.begin('request')
    clock.advance(9_000)
    const open = all.filter(({ isOpen }) => isOpen)
    open.at(-1)?.end(1000)
    clock.advance(1_000)
    expect(await ended()).toMatchObject({ left: 1, closedAtDeadline: 1999, remaining: 0 })
  })
})

describe('SHUTDOWN_DELAY', () => {
  test('accepts new clients and warns none until it is over, although the server is not ready any more', () => {
    const { shutdown, join, clock } = drill({ delaySeconds: 5, timeoutSeconds: 100 })
    const anna = join('anna')
    shutdown.begin('request')
    expect([shutdown.isReady, shutdown.isShuttingDown, shutdown.isClosedToNewcomers]).toEqual([false, true, false])
    clock.advance(4_999)
    const late = join('late')
    expect([phases(anna), phases(late)]).toEqual([[], []])
    clock.advance(1)
    expect(told(anna)).toMatchObject([{ phase: 'warning', deadlineInMs: 95_000, remaining: 2 }])
    expect(phases(late)).toEqual(['warning'])
    expect(shutdown.isClosedToNewcomers).toBe(true)
    expect(shutdown.report).toMatchObject({ connectionsAtStart: 1, cameLater: 1 })
  })

  test('is waited for by an empty server, too, and by one that becomes empty', async () => {
    const { shutdown, join, clock, ended } = drill({ delaySeconds: 5 })
    const anna = join('anna')
    shutdown.begin('request')
    anna.end(1000)
    clock.advance(4_900)
    expect(await ended()).toBeUndefined()
    clock.advance(100)
    expect(await ended()).toMatchObject({ left: 1, remaining: 0 })
  })

  test('may be another one for a shutdown that is asked for', () => {
    const { shutdown, join, clock } = drill({ delaySeconds: 50 })
    const anna = join('anna')
    shutdown.begin('reload', { delaySeconds: 3 })
    clock.advance(2999)
    expect([shutdown.isClosedToNewcomers, phases(anna)]).toEqual([false, []])
    clock.advance(1)
    expect([shutdown.isClosedToNewcomers, phases(anna)]).toEqual([true, ['warning']])
  })

  test('longer than the timeout does not make the shutdown longer', async () => {
    const { shutdown, join, clock, ended } = drill({ delaySeconds: 50, timeoutSeconds: 10 })
    const anna = join('anna')
    shutdown.begin('request')
    clock.advance(10_000)
    expect(anna.isOpen).toBe(false)
    expect(await ended()).toMatchObject({ closedAtDeadline: 1 })
  })
})

describe('slots', () => {
  const slotOf = (transport: FakeTransport): number | null | undefined => told(transport)[0]?.leaveInMs

  test('are spread evenly, and the quietest client has the first', () => {
    const { shutdown, join, clock, connections } = drill({ spreadSeconds: 10 })
    const names = crowd(10_000)
    const all = names.map((clientId) => join(clientId))
    // A connection that is later in the list has sent nothing for longer.
    names.forEach((name, index) => {
      const connection = connections.get(name)
      if (connection) connection.lastHeardAtMs = clock.monotonic() - index
    })
    shutdown.begin('test')
    const slots = all.map((transport) => slotOf(transport) as number).reverse()
    expect(slots).toEqual(slots.toSorted((a, b) => a - b))
    // Kolmogorov–Smirnov: how far the share of slots so far is from an even one, at most.
    const distance = Math.max(...slots.map((slot, index) => Math.abs(slot / 8500 - index / 10_000)))
    expect(distance).toBeLessThan(0.0003)
  })

  test('do not exist with a spread of 0', () => {
    const { shutdown, join } = drill({ spreadSeconds: 0 })
    const anna = join('anna')
    shutdown.begin('test')
    expect(slotOf(anna)).toBeNull()
  })

  test('fit into the time there is', () => {
    const { shutdown, join } = drill({ spreadSeconds: 1000, timeoutSeconds: 4 })
    const all = crowd(10).map((clientId) => join(clientId))
    shutdown.begin('test')
    for (const transport of all) expect(slotOf(transport)).toBeLessThan(4000)
  })

  test('close no client in mode wait', () => {
    const { shutdown, join, clock } = drill({ spreadSeconds: 10 })
    const all = crowd(100).map((clientId) => join(clientId))
    shutdown.begin('test')
    clock.advance(60_000)
    expect(closes(all)).toBe(0)
  })

  test('are kept in mode migrate: nobody is closed before its own, never many at once, all when the spread is over', () => {
    const { shutdown, join, clock } = drill({ spreadSeconds: 10, mode: 'migrate' })
    const all = crowd(2000).map((clientId) => join(clientId))
    shutdown.begin('test')
    let closed = 0
    for (let passedMs = 100; passedMs <= 10_000; passedMs += 100) {
      clock.advance(100)
      const now = closes(all)
      expect(now - closed).toBeLessThanOrEqual(1.3 * (2000 / 100))
      closed = now
      for (const transport of all) if (!transport.isOpen) expect(slotOf(transport)).toBeLessThanOrEqual(passedMs)
    }
    expect(closed).toBe(2000)
    expect(shutdown.report).toMatchObject({ mode: 'migrate', closedInSlot: 2000, closedAtDeadline: 0 })
  })

  test('of who leaves by itself are not given to others', () => {
    const { shutdown, join, clock } = drill({ spreadSeconds: 10, mode: 'migrate' })
    const all = crowd(100).map((clientId) => join(clientId))
    shutdown.begin('test')
    for (const transport of all) if ((slotOf(transport) as number) < 4250) transport.end(1000)
    clock.advance(5000)
    expect(closes(all)).toBe(50)
    clock.advance(5000)
    expect(closes(all)).toBe(100)
  })
})

describe('cancelling', () => {
  test('restores the state before: the server accepts new clients, tells every client, and closes none', () => {
    const { shutdown, join, clock, states } = drill({ spreadSeconds: 10, mode: 'migrate' })
    const all = crowd(10).map((clientId) => join(clientId))
    shutdown.begin('test')
    expect(shutdown.cancel('test')).toBe(true)
    clock.advance(1_000_000)
    expect(closes(all)).toBe(0)
    expect(all.every((transport) => transport.messages.at(-1)?.['type'] === 'shutdownCancelled')).toBe(true)
    expect([shutdown.isReady, shutdown.isClosedToNewcomers, shutdown.remainingMs]).toEqual([true, false, 0])
    expect(states).toEqual(['serving', 'draining', 'serving'])
  })

  test('is too late once closing has begun, and means nothing while serving', () => {
    const { shutdown, join } = drill()
    expect(shutdown.cancel('test')).toBe(false)
    join('stubborn', { answersClose: false })
    shutdown.handleSignal('SIGTERM')
    shutdown.handleSignal('SIGTERM')
    expect(shutdown.cancel('test')).toBe(false)
  })

  test('lets the next signal begin anew', async () => {
    const { shutdown, join, ended } = drill()
    const anna = join('anna')
    shutdown.handleSignal('SIGTERM')
    shutdown.cancel('test')
    shutdown.handleSignal('SIGTERM')
    expect(anna.isOpen).toBe(true)
    anna.end(1000)
    expect(await ended()).toMatchObject({ connectionsAtStart: 1, left: 1 })
  })
})

describe('signals', () => {
  test('the first begins, the second ends the waiting, the third ends the process', async () => {
    let ends = 0
    const { shutdown, join, ended } = drill({ onThirdSignal: () => ends++ })
    const [anna, stubborn] = [join('anna'), join('stubborn', { answersClose: false })]
    shutdown.handleSignal('SIGTERM')
    expect([anna.isOpen, phases(anna)]).toEqual([true, ['warning']])
    shutdown.handleSignal('SIGINT')
    expect([anna.isOpen, phases(anna)]).toEqual([false, ['warning', 'closing']])
    expect(stubborn.isOpen).toBe(false)
    expect(await ended()).toBeUndefined()
    expect(ends).toBe(0)
    shutdown.handleSignal('SIGTERM')
    expect(ends).toBe(1)
  })

  test('the second closes everybody without waiting for a tick, however many', async () => {
    const { shutdown, join } = drill()
    const all = crowd(3000).map((clientId) => join(clientId))
    shutdown.handleSignal('SIGTERM')
    shutdown.handleSignal('SIGTERM')
    await expect.poll(() => closes(all)).toBe(3000)
  })

  test('the second ends the pacing of closes that the deadline has begun', async () => {
    const { shutdown, join, clock } = drill()
    const all = crowd(3000).map((clientId) => join(clientId))
    shutdown.handleSignal('SIGTERM')
    clock.advance(98_000)
    expect(closes(all)).toBeGreaterThan(0)
    expect(closes(all)).toBeLessThan(3000)
    shutdown.handleSignal('SIGTERM')
    await expect.poll(() => closes(all)).toBe(3000)
  })

  test('the second ends the waiting of SHUTDOWN_DELAY, too', async () => {
    const { shutdown, ended, log } = drill({ delaySeconds: 60 })
    shutdown.handleSignal('SIGTERM')
    expect(await ended()).toBeUndefined()
    shutdown.handleSignal('SIGTERM')
    expect(await ended()).toMatchObject({ why: 'SIGTERM' })
    expect(log.of('shutdown.second_signal')).toHaveLength(1)
  })

  test('the first does not hurry a shutdown that was asked for otherwise', async () => {
    const { shutdown, join, ended } = drill()
    const anna = join('anna')
    shutdown.begin('request')
    shutdown.handleSignal('SIGTERM')
    expect([anna.isOpen, shutdown.state, phases(anna)]).toEqual([true, 'draining', ['warning']])
    shutdown.handleSignal('SIGTERM')
    expect(anna.isOpen).toBe(false)
    expect(await ended()).toMatchObject({ why: 'request', closedAtDeadline: 1 })
  })

  test('of the process are handled once they are registered, and no longer when that is taken back', () => {
    const { shutdown } = drill({ onThirdSignal: () => undefined })
    const before = process.listenerCount('SIGTERM')
    const unregister = shutdown.registerSignals()
    onTestFinished(() => unregister())
    process.emit('SIGTERM', 'SIGTERM')
    expect(shutdown.report?.why).toBe('SIGTERM')
    unregister()
    expect(process.listenerCount('SIGTERM')).toBe(before)
    expect(process.listenerCount('SIGHUP')).toBe(0)
  })
})

describe('hurrying', () => {
  test('closes every client at once, and has no effect without a shutdown', async () => {
    const { shutdown, join, states, ended } = drill()
    const [anna, bob] = [join('anna'), join('bob')]
    expect(shutdown.hurry()).toBe(false)
    expect([anna.isOpen, states]).toEqual([true, ['serving']])
    shutdown.begin('reload')
    expect(shutdown.hurry()).toBe(true)
    expect([phases(anna).at(-1), phases(bob).at(-1)]).toEqual(['closing', 'closing'])
    anna.end(1001)
    bob.end(1001)
    expect(await ended()).toMatchObject({ closedAtDeadline: 2 })
    expect(shutdown.hurry()).toBe(false)
  })

  test('is no signal: the next one is the first', async () => {
    let isOver = false
    const { shutdown, join, ended } = drill({ onThirdSignal: () => (isOver = true) })
    const anna = join('anna')
    shutdown.begin('reload')
    shutdown.hurry()
    shutdown.handleSignal('SIGTERM')
    shutdown.handleSignal('SIGTERM')
    expect(isOver).toBe(false)
    anna.end(1001)
    await ended()
  })
})

describe('a client in the middle of its handshake when the shutdown begins', () => {
  test('is warned like all others, and counted', async () => {
    const { shutdown, join, ended } = drill()
    const anna = join('anna')
    shutdown.begin('request')
    const late = join('late')
    expect(await ended()).toBeUndefined()
    expect(phases(late)).toEqual(['warning'])
    anna.end(1000)
    late.end(1000)
    expect(await ended()).toMatchObject({ connectionsAtStart: 1, cameLater: 1, left: 2, remaining: 0 })
  })
})

describe('a takeover while it drains', () => {
  test('counts neither as a join nor as a leave', async () => {
    const { shutdown, join, ended } = drill({ delaySeconds: 10 })
    join('anna')
    shutdown.begin('request')
    const second = join('anna')
    expect(shutdown.report).toMatchObject({ connectionsAtStart: 1, cameLater: 0, left: 0, remaining: 1 })
    second.end(1000)
    expect(shutdown.report).toMatchObject({ left: 1, remaining: 0 })
    expect(await ended()).toBeUndefined()
  })

  test('is over only when the socket that was taken over has ended, too', async () => {
    const { shutdown, join, clock, ended } = drill()
    join('anna', { answersClose: false })
    const second = join('anna')
    shutdown.begin('request')
    second.end(1000)
    expect(await ended()).toBeUndefined()
    clock.advance(5_100)
    expect(await ended()).toMatchObject({ connectionsAtStart: 1, left: 1, lost: 0, remaining: 0 })
  })
})

describe('a client that another instance accepts', () => {
  const beside = { isAnotherReady: () => true }

  test('before it leaves has moved, and nobody waits for more', async () => {
    const { shutdown, join, ended } = drill(beside)
    const anna = join('anna')
    shutdown.begin('request')
    shutdown.seenElsewhere('anna')
    expect(shutdown.report).toMatchObject({ moved: 0, remaining: 1 })
    anna.end(1000)
    expect(await ended()).toMatchObject({ left: 0, moved: 1, remaining: 0 })
  })

  test('after the last one has left has moved, too: the report waits for it, and ends when the last one left', async () => {
    const { shutdown, join, clock, ended, connections } = drill(beside)
    const [anna, bob] = [join('anna'), join('bob')]
    shutdown.begin('request')
    clock.advance(1000)
    anna.end(1000)
    bob.end(1000)
    expect(await ended()).toBeUndefined()
    clock.advance(50)
    shutdown.seenElsewhere('bob')
    expect(await ended()).toBeUndefined()
    shutdown.seenElsewhere('anna')
    expect(await ended()).toMatchObject({ left: 0, moved: 2, remaining: 0, durationSeconds: 1 })
    connections.dispose()
    expect(clock.running).toBe(0)
  })

  test('is waited for no longer than 100 ms', async () => {
    const { shutdown, join, clock, ended } = drill(beside)
    const anna = join('anna')
    shutdown.begin('request')
    anna.end(1000)
    expect(await ended()).toBeUndefined()
    clock.advance(99)
    expect(await ended()).toBeUndefined()
    clock.advance(1)
    expect(await ended()).toMatchObject({ left: 1, moved: 0 })
  })

  test('is not waited for if it left long before the last one', async () => {
    const { shutdown, join, clock, ended } = drill(beside)
    const [anna, bob] = [join('anna'), join('bob')]
    shutdown.begin('request')
    anna.end(1000)
    clock.advance(100)
    bob.end(1006)
    expect(await ended()).toMatchObject({ left: 1, lost: 1, moved: 0 })
  })

  test('is not waited for where nobody could see it', async () => {
    const { shutdown, join, ended } = drill()
    const anna = join('anna')
    shutdown.begin('request')
    anna.end(1000)
    expect(await ended()).toMatchObject({ left: 1 })
  })

  test('is counted in the progress, as gone', () => {
    const { shutdown, join, clock, log } = drill(beside)
    const [anna, bob] = [join('anna'), join('bob')]
    join('cleo')
    shutdown.begin('request')
    anna.end(1000)
    bob.end(1000)
    shutdown.seenElsewhere('anna')
    clock.advance(10_000)
    expect(log.of('shutdown.progress')).toMatchObject([{ remaining: 1, left: 1, moved: 1, perSecond: 0.2 }])
  })

  test('while nothing is drained is not forgotten when it leaves', () => {
    const { shutdown, join, connections } = drill(beside)
    join('anna')
    shutdown.begin('request')
    shutdown.cancel('request')
    shutdown.seenElsewhere('anna')
    shutdown.seenElsewhere('nobody')
    expect(connections.get('anna')?.isElsewhere).toBe(true)
  })
})

describe('progress', () => {
  test('is logged every ten seconds: the remaining clients, the rate, and the expected end', () => {
    const { shutdown, join, clock, log } = drill({ timeoutSeconds: 60 })
    const all = crowd(20).map((clientId) => join(clientId))
    shutdown.begin('request')
    clock.advance(10_000)
    for (const transport of all.slice(0, 5)) transport.end(1000)
    clock.advance(10_000)
    for (const transport of all.slice(5, 10)) transport.end(1006)
    clock.advance(10_000)
    expect(log.of('shutdown.progress')).toMatchObject([
      {
        remaining: 20,
        left: 0,
        lost: 0,
        perSecond: 0,
        doneInSeconds: null,
        deadlineInSeconds: 50,
        deadlineWillBeMissed: true,
      },
      {
        remaining: 15,
        left: 5,
        lost: 0,
        perSecond: 0.5,
        doneInSeconds: 30,
        deadlineInSeconds: 40,
        deadlineWillBeMissed: false,
      },
      {
        remaining: 10,
        left: 5,
        lost: 5,
        perSecond: 0.5,
        doneInSeconds: 20,
        deadlineInSeconds: 30,
        deadlineWillBeMissed: false,
      },
    ])
  })

  test('continues while the remaining clients are closed', () => {
    const { shutdown, join, clock, log } = drill({ timeoutSeconds: 60 })
    for (const clientId of crowd(25_000)) join(clientId)
    shutdown.begin('request')
    clock.advance(59_000)
    expect(log.of('shutdown.progress').length).toBeGreaterThanOrEqual(5)
  })
})

describe('at the end', () => {
  test('everything else is closed before the end is reported', async () => {
    const order: string[] = []
    let finish: (() => void) | undefined
    const { shutdown, ended, log } = drill({
      onEverybodyGone: () => {
        order.push('closing the rest')
        return new Promise((resolve) => (finish = resolve))
      },
    })
    shutdown.begin('request')
    expect(await ended()).toBeUndefined()
    expect(order).toEqual(['closing the rest'])
    finish?.()
    expect(await ended()).toBeDefined()
    expect(log.of('shutdown.report')).toHaveLength(1)
    expect(log.lines.at(-1)?.event).toBe('shutdown.closed')
  })

  test('it is over even when something could not be closed, and that is logged', async () => {
    const { shutdown, ended, log } = drill({ onEverybodyGone: () => Promise.reject(new Error('disk')) })
    shutdown.begin('request')
    expect(await ended()).toBeDefined()
    expect(log.of('error')).toHaveLength(1)
  })

  test('a later caller gets the same report', async () => {
    const { shutdown, join, clock } = drill()
    const anna = join('anna')
    shutdown.begin('request')
    clock.advance(1234)
    anna.end(1000)
    const report = await shutdown.waitForShutdown()
    clock.advance(10_000)
    expect(await shutdown.waitForShutdown()).toBe(report)
    expect(shutdown.report).toBe(report)
    expect(report.durationSeconds).toBe(1.234)
  })

  test('no timer is left', async () => {
    const { shutdown, connections, join, clock, ended } = drill({ timeoutSeconds: 10, delaySeconds: 1 })
    join('anna')
    shutdown.begin('request')
    clock.advance(20_000)
    expect(await ended()).toBeDefined()
    connections.dispose()
    expect(clock.running).toBe(0)
  })
})

test('it works by itself, with the ConnectionManager alone and the real clock', async () => {
  const connectionManager = new ConnectionManager()
  const shutdown = new GracefulShutdownManager({ connectionManager, timeoutSeconds: 0.1 })
  const transport = new FakeTransport()
  const connection = connectionManager.connect(transport, 'anna')
  transport.onEnd = (code) => connectionManager.disconnect(connection, code)
  shutdown.started()
  shutdown.handleSignal('SIGTERM')
  const keepAlive = setInterval(() => undefined, 10)
  const report = await shutdown.waitForShutdown()
  clearInterval(keepAlive)
  connectionManager.dispose()
  expect(report).toMatchObject({ why: 'SIGTERM', connectionsAtStart: 1, closedAtDeadline: 1, remaining: 0 })
  expect(transport.calls.at(-1)).toMatch(/^close 1001/)
})

describe('without another instance that is ready', () => {
  test('each client learns at its close when to reconnect: after the restart, and spread', () => {
    const alone = { isAnotherReady: () => false, restartTimeMs: 700, random: () => 0.5 }
    const { shutdown, join, clock } = drill({ ...alone, timeoutSeconds: 10 })
    const all = crowd(2000).map((clientId) => join(clientId))
    shutdown.begin('request')
    clock.advance(10_000)
    const last = (transport: FakeTransport): ShutdownMessage | undefined => told(transport).at(-1)
    // The closes begin 2 s before the deadline, and 2,000 clients return within 2 s after the restart.
    expect(last(all[0] as FakeTransport)).toMatchObject({ phase: 'closing', returnInMs: 2000 + 700 + 1000 })
    expect(last(all[1999] as FakeTransport)?.returnInMs).toBeLessThanOrEqual(20 + 700 + 1000)
    for (const transport of all) {
      expect(told(transport).filter(({ returnInMs }) => returnInMs !== undefined)).toHaveLength(1)
    }
  })

  test('a second signal closes all at once, and their return is spread all the same', async () => {
    const { shutdown, join } = drill({ isAnotherReady: () => false, random: () => 0.25 })
    const all = crowd(400).map((clientId) => join(clientId))
    shutdown.begin('request')
    shutdown.hurry()
    await expect.poll(() => closes(all)).toBe(400)
    for (const transport of all) expect(told(transport).at(-1)?.returnInMs).toBe(500 + 100)
  })

  test('clients get no time to return when another instance is ready, or when that is not known', () => {
    for (const options of [{ isAnotherReady: () => true }, {}]) {
      const { shutdown, join } = drill(options)
      const anna = join('anna')
      shutdown.begin('request')
      shutdown.hurry()
      expect(told(anna).at(-1)).not.toHaveProperty('returnInMs')
    }
  })

  const migrate = { mode: 'migrate', spreadSeconds: 20, timeoutSeconds: 600 } as const

  test('mode `migrate` has no slots: all stay until the spread is over, and are closed at 1,000 per second', () => {
    const { shutdown, join, clock } = drill({ ...migrate, isAnotherReady: () => false })
    const all = crowd(3000).map((clientId) => join(clientId))
    shutdown.begin('request')
    const [anna] = all as [FakeTransport]
    expect(told(anna)).toMatchObject([{ phase: 'warning', leaveInMs: null, deadlineInMs: 20_000 }])
    clock.advance(19_990)
    expect(closes(all)).toBe(0)
    clock.advance(1010)
    expect(closes(all)).toBeGreaterThan(900)
    expect(closes(all)).toBeLessThanOrEqual(1020)
    clock.advance(2000)
    expect(closes(all)).toBe(3000)
    expect(shutdown.report).toMatchObject({ closedAtDeadline: 3000, closedInSlot: 0 })
    expect(told(anna).at(-1)?.returnInMs).toBeGreaterThanOrEqual(500)
  })

  test('the slots begin when one becomes ready', () => {
    let isReady = false
    const { shutdown, join, clock } = drill({ ...migrate, isAnotherReady: () => isReady })
    const all = crowd(100).map((clientId) => join(clientId))
    shutdown.begin('request')
    clock.advance(15_000)
    isReady = true
    clock.advance(10)
    const slots = all.map((transport) => told(transport).at(-1)?.leaveInMs ?? -1).toSorted((a, b) => a - b)
    expect([slots[0], slots.at(-1)]).toEqual([0, expect.closeTo(18_320, -2)])
    expect(told(all[0] as FakeTransport).at(-1)).toMatchObject({ phase: 'reminder', deadlineInMs: 584_990 })
    clock.advance(10_000)
    expect(closes(all)).toBeGreaterThan(30)
    clock.advance(10_000)
    expect(shutdown.report).toMatchObject({ closedAtDeadline: 0, closedInSlot: 100 })
  })

  test('a timeout that ends before the spread is kept', () => {
    const { shutdown, join, clock } = drill({ ...migrate, timeoutSeconds: 5, isAnotherReady: () => false })
    const all = crowd(50).map((clientId) => join(clientId))
    shutdown.begin('request')
    clock.advance(5000)
    expect(closes(all)).toBe(50)
  })
})
