/** When another client may take a name that has a connection. */
import { beforeEach, expect, test } from 'vitest'
import { Connection } from '../../src/connections/connection.js'
import { NameHolders } from '../../src/sessions/name-holders.js'
import { FakeClock } from '../support/fake-clock.js'
import { FakeTransport } from '../support/fake-transport.js'
import { identityOf } from '../support/identity.js'

class CountingTransport extends FakeTransport {
  bytesReceived = 100
  pongsReceived = 3
  isPaused = false
}

const connectionOver = (transport: FakeTransport): Connection =>
  new Connection(identityOf('maria', { locale: 'en', strict: true }), transport, 0)

let clock: FakeClock
let transport: CountingTransport
let holder: Connection
let holders: NameHolders

beforeEach(() => {
  clock = new FakeClock()
  transport = new CountingTransport()
  holder = connectionOver(transport)
  holders = new NameHolders(clock)
})

test('a holder from which nothing has arrived for 5 s after the ping is given up', () => {
  expect(holders.ask(holder)).toEqual({ isFree: false, retryInMs: 5000 })
  expect(transport.pings).toBe(1)
  clock.advance(3200)
  expect(holders.ask(holder)).toEqual({ isFree: false, retryInMs: 1800 })
  clock.advance(1800)
  expect(holders.ask(holder)).toEqual({ isFree: true })
  expect(transport.pings).toBe(1)
})

test('a holder that has answered keeps its name, and is asked again later', () => {
  holders.ask(holder)
  transport.bytesReceived += 6
  transport.pongsReceived++
  clock.advance(5000)
  expect(holders.ask(holder)).toEqual({ isFree: false, retryInMs: undefined })
  expect(transport.pings).toBe(1)
  clock.advance(25_000)
  expect(holders.ask(holder)).toEqual({ isFree: false, retryInMs: 5000 })
  expect(transport.pings).toBe(2)
})

test('bytes without a pong may be older than the ping: the name is not free yet, and a retry may help', () => {
  holders.ask(holder)
  transport.bytesReceived += 300
  clock.advance(2000)
  expect(holders.ask(holder)).toEqual({ isFree: false, retryInMs: 3000 })
  clock.advance(3000)
  expect(holders.ask(holder)).toEqual({ isFree: false, retryInMs: 5000 })
  expect(transport.pings).toBe(2)
  clock.advance(5000)
  expect(holders.ask(holder)).toEqual({ isFree: true })
})

test.each([
  ['that the server does not read from', () => (transport.isPaused = true)],
  ['to which the ping has not left yet', () => (transport.bufferedBytes = 40)],
])('the silence of a holder %s means nothing', (_what, make) => {
  holders.ask(holder)
  make()
  clock.advance(5000)
  expect(holders.ask(holder)).toEqual({ isFree: false, retryInMs: 5000 })
})

test('a transport that cannot tell what has arrived keeps its name', () => {
  const other = connectionOver(new FakeTransport())
  expect(holders.ask(other)).toEqual({ isFree: false, retryInMs: undefined })
})
