/** The messages to systemd while generations start, with a notifier that records them. */
import { expect, test } from 'vitest'
import type { ShutdownState } from '../../src/shutdown/shutdown-state.js'
import { ServiceWatch } from '../../src/workers/service-watch.js'
import { FakeClock } from '../support/fake-clock.js'
import { writtenNotifier } from '../support/written-notifier.js'

interface World {
  readonly clock: FakeClock
  readonly watch: ServiceWatch
  /** The messages since the last call, without the status. */
  readonly said: () => Promise<string[]>
  readonly enter: (next: ShutdownState) => void
}

function start(): World {
  const said: string[] = []
  let state: ShutdownState = 'starting'
  const supervision = {
    get state() {
      return state
    },
    progress: () => Promise.resolve({ activeConnections: 0, remainingMs: 0, report: undefined }),
  }
  const notifier = { ...writtenNotifier(said), status: () => undefined }
  const clock = new FakeClock()
  const watch = new ServiceWatch({ notifier, supervision, clock, watchdogMs: undefined })
  return {
    clock,
    watch,
    async said() {
      await Promise.resolve()
      return said.splice(0)
    },
    enter(next) {
      state = next
      watch.stateChanged()
    },
  }
}

/** The same, when the first generation serves. */
async function serve(): Promise<World> {
  const world = start()
  world.watch.starting()
  world.enter('serving')
  world.watch.serving()
  expect(await world.said()).toEqual(['extend 190000', 'READY'])
  return world
}

test('the first generation gets the time that it may take, and is ready once it serves', async () => {
  await serve()
})

test.each(['serving', 'reloadFailed'] as const)('a reload ends with READY: %s', async (outcome) => {
  const { watch, said } = await serve()
  watch.starting()
  expect(await said()).toEqual(['RELOADING', 'extend 190000'])
  watch[outcome]()
  expect(await said()).toEqual(['READY'])
  watch.stateChanged()
  expect(await said()).toEqual([])
})

test('a reload that a shutdown has ended is not ready behind it', async () => {
  const { watch, said, enter } = await serve()
  watch.starting()
  await said()
  enter('draining')
  watch.reloadFailed()
  enter('closed')
  expect(await said()).toEqual(['extend 60000', 'STOPPING', 'extend 60000'])
})

test('but it is when that shutdown is cancelled', async () => {
  const { watch, said, enter } = await serve()
  watch.starting()
  enter('draining')
  watch.reloadFailed()
  await said()
  enter('serving')
  expect(await said()).toEqual(['READY'])
})

test('a server that is stopped before it serves sends no READY', async () => {
  const { watch, said, enter } = start()
  watch.starting()
  enter('draining')
  enter('closed')
  expect(await said()).toEqual(['extend 190000'])
})

test('a start that waits for the journal asks for more time, now and then', async () => {
  const { watch, said, clock } = start()
  watch.starting()
  for (let second = 0; second < 95; second++) {
    clock.advance(1000)
    watch.waiting()
  }
  expect(await said()).toEqual(Array.from({ length: 4 }, () => 'extend 190000'))
})
