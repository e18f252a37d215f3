/** Which messages a server sends to systemd, and when, with a fake clock and a notifier that records them. */
import { expect, test } from 'vitest'
import { ServiceReporter, statusText, type Progress } from '../../src/systemd/service-reporter.js'
import type { ShutdownState } from '../../src/shutdown/shutdown-state.js'
import { FakeClock } from '../support/fake-clock.js'
import { writtenNotifier } from '../support/written-notifier.js'

type Changeable = { -readonly [Key in keyof Progress]: Progress[Key] }

interface Settings {
  readonly state?: ShutdownState
  /** Where others have to be asked. */
  readonly ask?: () => Promise<Progress | undefined>
  readonly watchdogMs?: number
}

interface World {
  readonly clock: FakeClock
  readonly progress: Changeable
  /** The messages since the last call. */
  readonly said: () => string[]
  readonly enter: (next: ShutdownState) => void
}

function start({ state = 'serving', watchdogMs, ask }: Settings = {}): World {
  const said: string[] = []
  const clock = new FakeClock()
  const progress: Changeable = { activeConnections: 0, remainingMs: 0, report: undefined }
  const reporter = new ServiceReporter({
    notifier: writtenNotifier(said),
    state: () => state,
    progress: () => ask?.() ?? progress,
    clock,
    watchdogMs,
  })
  return {
    clock,
    progress,
    said: () => said.splice(0),
    enter(next) {
      state = next
      reporter.stateChanged()
    },
  }
}

test('a server that serves is ready, and its connections are told once a minute, if there are others', () => {
  const { clock, progress, said } = start()
  expect(said()).toEqual(['READY', 'Serving 0 connections'])
  progress.activeConnections = 7
  clock.advance(59_999)
  expect(said()).toEqual([])
  clock.advance(1)
  expect(said()).toEqual(['Serving 7 connections'])
  clock.advance(600_000)
  expect(said()).toEqual([])
})

test('a draining server extends its time long before the last extension ends, and does not send STOPPING', () => {
  const { clock, progress, said, enter } = start()
  said()
  Object.assign(progress, { activeConnections: 5, remainingMs: 1_800_000, report: { left: 1, moved: 2, lost: 3 } })
  enter('draining')
  const text = 'Draining: 5 connections remaining (1 left, 2 moved, 3 lost); deadline in 1800 s'
  expect(said()).toEqual([text, 'extend 60000'])
  for (let count = 0; count < 180; count++) {
    clock.advance(10_000)
    expect(said()).toEqual(['extend 60000'])
  }
})

test('a cancelled shutdown leaves a service that serves', () => {
  const { clock, said, enter } = start()
  enter('draining')
  said()
  enter('serving')
  expect(said()).toEqual(['Serving 0 connections'])
  clock.advance(60_000)
  expect(said()).toEqual([])
})

test('the server sends STOPPING when the shutdown is final, and extends its time until the end', () => {
  const { clock, said, enter } = start()
  enter('draining')
  said()
  enter('closing')
  expect(said()).toEqual(['STOPPING', 'Closing 0 connections', 'extend 60000'])
  clock.advance(10_000)
  expect(said()).toEqual(['extend 60000'])
  enter('closed')
  expect(said()).toEqual(['All connections have ended; closing the journal', 'extend 60000'])
  clock.advance(10_000)
  expect(said()).toEqual(['extend 60000'])
})

test('a server that is stopped before it listens sends no READY', () => {
  expect(start({ state: 'draining' }).said()).not.toContain('READY')
})

test('the server sends a sign of life at half the watchdog time in every state', () => {
  const { clock, said, enter } = start({ watchdogMs: 30_000 })
  clock.advance(30_000)
  expect(said().filter((each) => each === 'alive')).toHaveLength(2)
  enter('draining')
  clock.advance(30_000)
  expect(said().filter((each) => each === 'alive')).toHaveLength(2)
})

test('one connection is one connection', () => {
  const progress = { activeConnections: 1, remainingMs: 0, report: undefined }
  expect(statusText('serving', progress)).toBe('Serving 1 connection')
})

test('a server without connections sends STOPPING at once', () => {
  const { said, enter } = start()
  said()
  enter('closed')
  expect(said()).toContain('STOPPING')
})

test('a slow query of the progress delays nothing, and is reported with the state at its answer', async () => {
  const asked: ((answer: Progress) => void)[] = []
  const { said, enter } = start({ ask: () => new Promise((resolve) => asked.push(resolve)) })
  const answer = async (activeConnections: number): Promise<void> => {
    asked.shift()?.({ activeConnections, remainingMs: 0, report: undefined })
    await Promise.resolve()
  }
  expect(said()).toEqual(['READY'])
  await answer(3)
  expect(said()).toEqual(['Serving 3 connections'])
  enter('draining')
  enter('closing')
  expect(said()).toEqual(['extend 60000', 'STOPPING', 'extend 60000'])
  await answer(2)
  expect(said()).toEqual(['Closing 2 connections'])
})

test('the last status line stays while no worker answers', async () => {
  let answer: Progress | undefined = { activeConnections: 3, remainingMs: 0, report: undefined }
  const { clock, said } = start({ ask: () => Promise.resolve(answer) })
  await Promise.resolve()
  answer = undefined
  clock.advance(60_000)
  await Promise.resolve()
  expect(said()).toEqual(['READY', 'Serving 3 connections'])
})
