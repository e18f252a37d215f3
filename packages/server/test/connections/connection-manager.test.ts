/**
 * The ConnectionManager of the specification alone, with fake sockets and a fake clock.
 */
import { TEXTS } from '@lastcall/protocol'
import { describe, expect, test } from 'vitest'
import type { Connection, ConnectionIdentity } from '../../src/connections/connection.js'
import { ConnectionManager, type ConnectionManagerOptions } from '../../src/connections/connection-manager.js'
import { Stats } from '../../src/observability/stats.js'
import { FakeClock } from '../support/fake-clock.js'
import { FakeTransport, type FakeTransportOptions } from '../support/fake-transport.js'
import { identityOf } from '../support/identity.js'

interface Managed {
  readonly manager: ConnectionManager
  readonly clock: FakeClock
  readonly stats: Stats
  /** The calls of observers, in order. */
  readonly events: string[]
  /** Connects a client whose socket tells the manager of its end, as a server would. */
  readonly join: (
    clientId: string,
    some?: Partial<ConnectionIdentity> & FakeTransportOptions,
  ) => { connection: Connection; transport: FakeTransport }
}

function managed(options: ConnectionManagerOptions = {}): Managed {
  const clock = new FakeClock()
  const stats = new Stats()
  const manager = new ConnectionManager({ clock, stats, ...options })
  const events: string[] = []
  manager.observe({
    onConnect: ({ clientId }, isTakeover) => events.push(`${isTakeover ? 'takeover' : 'connect'} ${clientId}`),
    onDisconnect: ({ clientId }, code) => events.push(`disconnect ${clientId} ${code}`),
  })
  return {
    manager,
    clock,
    stats,
    events,
    join(clientId, some = {}) {
      const transport = new FakeTransport(some)
      const connection = manager.connect(transport, identityOf(clientId, some))
      transport.onEnd = (code) => manager.disconnect(connection, code)
      return { connection, transport }
    },
  }
}

const closing = (some: { lastFrame?: Buffer } = {}) =>
  ({ why: 'deadline', code: 1001, reason: 'shuttingDown', ...some }) as const

describe('by itself, as the specification tests it', () => {
  test('connect adds an active connection, and disconnect removes it', () => {
    const manager = new ConnectionManager()
    manager.connect(new FakeTransport(), 'test_client')
    expect(manager.getActiveCount()).toBe(1)
    manager.disconnect('test_client')
    expect(manager.getActiveCount()).toBe(0)
    manager.dispose()
  })

  test('broadcast writes to every client, and sendPersonalMessage to one', () => {
    const manager = new ConnectionManager()
    const [anna, bob] = [new FakeTransport(), new FakeTransport()]
    manager.connect(anna, 'anna')
    manager.connect(bob, 'bob')
    expect(manager.broadcast('hello')).toBe(2)
    expect(manager.sendPersonalMessage('psst', 'bob')).toBe(true)
    expect(manager.sendPersonalMessage('psst', 'nobody')).toBe(false)
    expect([anna.writes, bob.writes]).toEqual([['hello'], ['hello', 'psst']])
    manager.dispose()
  })

  test('closeAllConnections closes every connection and resolves when all have ended', async () => {
    const { manager, join } = managed()
    const all = ['anna', 'bob'].map((clientId) => join(clientId).transport)
    await manager.closeAllConnections()
    for (const { calls } of all) expect(calls).toEqual([`close 1001 ${TEXTS.uk.reasons.shuttingDown}`])
    expect(manager.getActiveCount()).toBe(0)
  })

  test('disconnecting a client that is not connected does nothing', () => {
    const { manager, events, stats } = managed()
    manager.disconnect('nobody')
    expect(events).toEqual([])
    expect(stats.ends.size).toBe(0)
  })
})

describe('broadcast', () => {
  test('continues when a connection ends in the middle, and removes that connection', () => {
    const { manager, join, events, stats } = managed()
    const [anna, bob, cleo] = [join('anna'), join('bob'), join('cleo')]
    bob.transport.isOpen = false
    expect(manager.broadcast('hello')).toBe(2)
    expect([anna, bob, cleo].map(({ transport }) => transport.writes)).toEqual([['hello'], [], ['hello']])
    expect(manager.getActiveCount()).toBe(2)
    expect(events.at(-1)).toBe('disconnect bob 1006')
    expect(stats.failedBroadcasts).toBe(1)
    bob.transport.end()
    expect(events.filter((event) => event.startsWith('disconnect'))).toHaveLength(1)
    expect([...stats.ends]).toEqual([[1006, 1]])
  })

  test('builds a message per language once for each language', () => {
    const made: string[] = []
    const { manager, join } = managed()
    const all = (['uk', 'en', 'en'] as const).map((locale, index) => join(`c${index}`, { locale }).transport)
    manager.broadcast((locale) => {
      made.push(locale)
      return { type: 'shutdownCancelled', text: locale }
    })
    expect(made).toEqual(['uk', 'en'])
    expect(all.map(({ messages }) => messages[0]?.['text'])).toEqual(['uk', 'en', 'en'])
  })

  test('of an object sends its JSON', () => {
    const { manager, join } = managed()
    const { transport } = join('anna')
    manager.broadcast({ type: 'shutdownCancelled', text: 'x' })
    expect(transport.writes).toEqual(['{"type":"shutdownCancelled","text":"x"}'])
  })

  test('without connections writes nothing', () => {
    expect(managed().manager.broadcast('hello')).toBe(0)
  })
})

describe('a second connection of the same client', () => {
  test('takes over: the manager closes the first with 4001, and no client receives a leave', () => {
    const { manager, join, events, stats } = managed()
    const first = join('anna')
    const second = join('anna')
    expect(first.transport.calls).toEqual([`close 4001 ${TEXTS.uk.reasons.takenOver}`])
    expect(manager.getActiveCount()).toBe(1)
    expect(manager.get('anna')).toBe(second.connection)
    expect(events).toEqual(['connect anna', 'takeover anna'])
    expect(stats.takeovers).toBe(1)
    expect([...stats.ends]).toEqual([[4001, 1]])
  })

  test('stays connected when the first one ends late', () => {
    const { manager, join, events } = managed()
    const first = join('anna', { answersClose: false })
    const second = join('anna')
    first.transport.end(1006)
    expect(manager.get('anna')).toBe(second.connection)
    second.transport.end(1000)
    expect(events).toEqual(['connect anna', 'takeover anna', 'disconnect anna 1000'])
  })

  test('does not wait for the first, which the manager terminates after CLOSE_TIMEOUT without an answer', () => {
    const { clock, join } = managed({ closeTimeoutSeconds: 5 })
    const first = join('anna', { answersClose: false })
    join('anna')
    clock.advance(4999)
    expect(first.transport.calls).not.toContain('terminate')
    clock.advance(101)
    expect(first.transport.calls).toContain('terminate')
  })
})

describe('heartbeats', () => {
  test('ping every connection once an interval, and terminate a connection that has not answered by the next ping', () => {
    const { manager, clock, join, events } = managed({ heartbeatIntervalSeconds: 25 })
    const [anna, bob] = [join('anna'), join('bob')]
    for (let second = 1; second <= 25; second++) {
      clock.advance(1000)
      anna.connection.isAlive = true
    }
    expect([anna.transport.pings, bob.transport.pings]).toEqual([1, 1])
    expect(manager.getActiveCount()).toBe(2)
    for (let second = 1; second <= 25; second++) {
      clock.advance(1000)
      anna.connection.isAlive = true
    }
    expect(anna.transport.calls).not.toContain('terminate')
    expect(bob.transport.calls).toContain('terminate')
    expect(bob.connection.serverClose).toBe('dead')
    expect(events.at(-1)).toBe('disconnect bob 1006')
  })

  test('spread many connections over the interval', () => {
    const { clock, join } = managed({ heartbeatIntervalSeconds: 10 })
    const all = Array.from({ length: 100 }, (_, index) => join(`c${index}`))
    let before = 0
    for (let second = 1; second <= 10; second++) {
      clock.advance(1000)
      const pings = all.reduce((sum, { transport }) => sum + transport.pings, 0)
      expect(pings - before).toBe(10)
      before = pings
    }
  })

  test.each([0.05, 0.5, 1, 2.5, 25, 60.4])(
    'with an interval of %d s ping each connection about once in it',
    (heartbeatIntervalSeconds) => {
      const { clock, join } = managed({ heartbeatIntervalSeconds })
      const { connection, transport } = join('anna')
      const stepMs = heartbeatIntervalSeconds * 10
      for (let step = 0; step < 1000; step++) {
        clock.advance(stepMs)
        connection.isAlive = true
      }
      expect(transport.pings).toBeGreaterThanOrEqual(8)
      expect(transport.pings).toBeLessThanOrEqual(13)
    },
  )

  test('end with the manager', () => {
    const { manager, clock, join } = managed()
    const { transport } = join('anna')
    manager.dispose()
    clock.advance(1_000_000)
    expect(transport.pings).toBe(0)
    expect(clock.running).toBe(0)
  })
})

test('the manager closes a connection with 1008 when its token expires', () => {
  const { clock, join } = managed()
  const { transport } = join('anna', { expiresAtMs: FakeClock.BEGINNING_MS + 10_000 })
  const { transport: other } = join('bob')
  clock.advance(9_000)
  expect(transport.calls.filter((call) => call !== 'ping')).toEqual([])
  clock.advance(2_000)
  expect(transport.calls.filter((call) => call !== 'ping')).toEqual([`close 1008 ${TEXTS.uk.reasons.tokenExpired}`])
  expect(other.isOpen).toBe(true)
})

describe('a polite close', () => {
  test('writes the last frame, then a close frame in the language of the client', () => {
    const { manager, join, events } = managed()
    const { connection, transport } = join('anna', { locale: 'en' })
    manager.closePolitely(connection, closing({ lastFrame: Buffer.from('bye') }))
    expect(transport.writes).toEqual(['bye'])
    expect(transport.calls).toEqual([`close 1001 ${TEXTS.en.reasons.shuttingDown}`])
    expect(connection.serverClose).toBe('deadline')
    expect(events).toContain('disconnect anna 1001')
  })

  test('waits until the manager has written all due frames', () => {
    let serve: (() => void) | undefined
    const { manager, join } = managed()
    const { connection, transport } = join('anna')
    connection.delivery = { unacked: 0, onceFlushed: (callback) => (serve = callback) }
    manager.closePolitely(connection, closing({ lastFrame: Buffer.from('bye') }))
    connection.send(Buffer.from('ack'))
    expect(transport.isOpen).toBe(true)
    serve?.()
    expect(transport.writes).toEqual(['ack', 'bye'])
    expect(transport.isOpen).toBe(false)
  })

  test.each([
    ['does not answer', undefined],
    ['is never served', () => undefined],
  ])('becomes abrupt after CLOSE_TIMEOUT when the client %s', (_name, onceFlushed) => {
    const { manager, clock, join, events } = managed({ closeTimeoutSeconds: 2 })
    const { connection, transport } = join('anna', { answersClose: false })
    connection.delivery = onceFlushed && { unacked: 0, onceFlushed }
    manager.closePolitely(connection, closing())
    clock.advance(1999)
    expect(transport.calls).not.toContain('terminate')
    expect(manager.getActiveCount()).toBe(1)
    clock.advance(101)
    expect(transport.calls).toContain('terminate')
    expect(events).toContain('disconnect anna 1006')
    expect(manager.getActiveCount()).toBe(0)
  })

  test('happens once, for the first reason', () => {
    const { manager, join } = managed()
    const { connection, transport } = join('anna', { answersClose: false })
    manager.closePolitely(connection, { why: 'expired', code: 1008, reason: 'tokenExpired' })
    manager.closePolitely(connection, closing({ lastFrame: Buffer.from('bye') }))
    expect(transport.calls).toEqual([`close 1008 ${TEXTS.uk.reasons.tokenExpired}`])
    expect(transport.writes).toEqual([])
    expect(connection.serverClose).toBe('expired')
  })

  test('does not begin again while it waits', () => {
    let serve: (() => void) | undefined
    const { manager, join } = managed()
    const { connection, transport } = join('anna')
    connection.delivery = { unacked: 0, onceFlushed: (callback) => (serve = callback) }
    manager.closePolitely(connection, { why: 'expired', code: 1008, reason: 'tokenExpired' })
    manager.closePolitely(connection, closing({ lastFrame: Buffer.from('bye') }))
    serve?.()
    expect(transport.writes).toEqual([])
    expect(transport.calls).toEqual([`close 1008 ${TEXTS.uk.reasons.tokenExpired}`])
  })

  test('leaves no timer behind', () => {
    const { manager, clock, join } = managed()
    const before = clock.running
    const { connection } = join('anna')
    manager.closePolitely(connection, closing())
    clock.advance(10_000)
    expect(clock.running).toBe(before)
  })
})

describe('whenNone', () => {
  test('resolves at once without connections', async () => {
    await managed().manager.whenNone()
  })

  test('also waits for taken-over connections that have not ended yet', async () => {
    const { manager, clock, join } = managed({ closeTimeoutSeconds: 5 })
    join('anna', { answersClose: false })
    const second = join('anna')
    let isNone = false
    const none = manager.whenNone().then(() => (isNone = true))
    second.transport.end(1000)
    await Promise.resolve()
    expect([manager.getActiveCount(), isNone]).toEqual([0, false])
    clock.advance(6000)
    await none
  })
})

test('terminateAll terminates every connection, closing ones included', () => {
  const { manager, join } = managed()
  const [anna, bob] = [join('anna', { answersClose: false }), join('bob')]
  manager.closePolitely(anna.connection, closing())
  manager.terminateAll()
  expect([anna, bob].map(({ transport }) => transport.calls.includes('terminate'))).toEqual([true, true])
  expect(manager.getActiveCount()).toBe(0)
})

test('the manager does not call a removed observer', () => {
  const { manager } = managed()
  const told: string[] = []
  const stop = manager.observe({ onConnect: ({ clientId }) => told.push(clientId) })
  manager.connect(new FakeTransport(), 'anna')
  stop()
  manager.connect(new FakeTransport(), 'bob')
  expect(told).toEqual(['anna'])
})
