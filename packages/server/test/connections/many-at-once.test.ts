/**
 * Each turn of the event loop serves a bounded number of connections, even when work concerns all of them. The clock of
 * these tests advances with each write, ping, close and termination, so the tests count the work of a turn and do not
 * time it.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { CLOSES } from '../../src/connections/closes.js'
import { ConnectionManager } from '../../src/connections/connection-manager.js'
import { Stats } from '../../src/observability/stats.js'
import { FakeClock } from '../support/fake-clock.js'
import { FakeTransport } from '../support/fake-transport.js'
import { identityOf } from '../support/identity.js'

const COUNT = 5000
const HEARTBEAT_S = 1
const CLOSE_TIMEOUT_S = 3

/** 1 ms for ten of them. */
const COST_MS = 0.1

/** The stretch of 8 ms, and the piece of 64 connections that is begun at its end. */
const MOST_IN_A_TURN = 80 + 64

class BusyClock extends FakeClock {
  busyMs = 0

  override monotonic(): number {
    return super.monotonic() + this.busyMs
  }
}

class CostlyTransport extends FakeTransport {
  readonly #act: () => void

  constructor(act: () => void, answersClose: boolean) {
    super({ answersClose })
    this.#act = act
  }

  override write(frames: Buffer): void {
    this.#act()
    super.write(frames)
  }

  override ping(): void {
    this.#act()
    super.ping()
  }

  override close(code: number, reason: string): void {
    this.#act()
    super.close(code, reason)
  }

  override terminate(): void {
    this.#act()
    super.terminate()
  }
}

class Crowd {
  readonly clock = new BusyClock()
  readonly stats = new Stats()
  readonly manager: ConnectionManager
  readonly transports: FakeTransport[] = []
  /** How many writes, pings, closes and terminations the manager has made since the test set this to 0. */
  done = 0

  constructor({ expiresAtMs = Infinity, answersClose = true, heartbeatIntervalSeconds = HEARTBEAT_S } = {}) {
    const { clock, stats } = this
    this.manager = new ConnectionManager({
      clock,
      stats,
      heartbeatIntervalSeconds,
      closeTimeoutSeconds: CLOSE_TIMEOUT_S,
    })
    const act = (): void => {
      this.done++
      clock.busyMs += COST_MS
    }
    for (let index = 0; index < COUNT; index++) {
      const transport = new CostlyTransport(act, answersClose)
      const connection = this.manager.connect(
        transport,
        identityOf(`c${String(index)}`, { expiresAtMs, hasToken: true }),
      )
      transport.onEnd = (code) => this.manager.disconnect(connection, code)
      this.transports.push(transport)
    }
  }

  /**
   * Waits until nothing more is done, and returns how much was done in each turn. A turn whose input has used its time up does
   * nothing.
   */
  async turns(): Promise<number[]> {
    const turns: number[] = []
    for (let quiet = 0; quiet < 2;) {
      quiet = this.done > 0 ? 0 : quiet + 1
      turns.push(this.done)
      this.done = 0
      await nextTurn()
    }
    return turns.filter((count) => count > 0)
  }
}

function expectSlices(turns: readonly number[], total: number): void {
  expect(turns.reduce((sum, count) => sum + count, 0)).toBe(total)
  expect(Math.max(...turns)).toBeLessThanOrEqual(MOST_IN_A_TURN)
}

test('the manager writes a broadcast in slices and returns the number of all connections', async () => {
  const crowd = new Crowd()
  expect(crowd.manager.broadcast('hello')).toBe(COUNT)
  expectSlices(await crowd.turns(), COUNT)
  for (const { writes } of crowd.transports) expect(writes).toEqual(['hello'])
})

test('two broadcasts reach each connection in order although the second begins before the first ends', async () => {
  const crowd = new Crowd()
  crowd.manager.broadcast('first')
  crowd.manager.broadcastEach(({ clientId }) => ({ type: 'shutdownCancelled', text: clientId }))
  expectSlices(await crowd.turns(), 2 * COUNT)
  for (const { writes } of crowd.transports) expect(writes).toEqual(['first', expect.stringContaining('shutdown')])
})

test('a connection that ends during a broadcast gets no further frame, and a new connection does not get the broadcast', async () => {
  const crowd = new Crowd()
  crowd.manager.broadcast('hello')
  crowd.manager.disconnect(`c${String(COUNT - 1)}`)
  const late = new FakeTransport()
  crowd.manager.connect(late, 'late')
  await crowd.turns()
  expect(crowd.transports.at(-1)?.writes).toEqual([])
  expect(late.writes).toEqual([])
  expect(crowd.stats.failedBroadcasts).toBe(0)
})

test('the manager closes connections whose tokens expire together in slices', async () => {
  const crowd = new Crowd({ expiresAtMs: FakeClock.BEGINNING_MS + 500 })
  crowd.clock.advance(HEARTBEAT_S * 1000)
  // The manager closes each connection, and pings those whose ping is due, which are all at this interval.
  expectSlices(await crowd.turns(), 2 * COUNT)
  expect(crowd.stats.ends.get(CLOSES.tokenExpired.code)).toBe(COUNT)
  expect(crowd.manager.getActiveCount()).toBe(0)
})

test('the manager sends the pings of an interval in slices', async () => {
  const crowd = new Crowd()
  crowd.clock.advance(HEARTBEAT_S * 1000)
  expectSlices(await crowd.turns(), COUNT)
  for (const transport of crowd.transports) expect(transport.pings).toBe(1)
})

test('the manager closes all connections in slices, and terminates silent ones in slices', async () => {
  const crowd = new Crowd({ answersClose: false, heartbeatIntervalSeconds: 1000 })
  const closed = crowd.manager.closeAllConnections()
  expectSlices(await crowd.turns(), COUNT)
  crowd.clock.advance(CLOSE_TIMEOUT_S * 1000)
  // The sweep pings five connections in each of its three ticks, few enough for one slice.
  expect(Math.max(...(await crowd.turns()))).toBeLessThanOrEqual(MOST_IN_A_TURN + 15)
  await closed
  for (const { calls } of crowd.transports) expect(calls).toEqual([expect.stringMatching(/^close/), 'terminate'])
})
