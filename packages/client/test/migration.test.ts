/**
 * How the client migrates from a draining server: it opens a second connection, catches up there, and then closes the
 * first one, without an interruption for the application.
 */
import { expect, test, vi } from 'vitest'
import type { ClientOptions } from '../src/index.js'
import type { ShutdownMessage } from '../src/messages.js'
import type { FakeSocket } from './support/fake-socket.js'
import { reconnect, startOpen, type Setup } from './support/setup.js'

const DEADLINE_MS = 600_000

function announce(socket: FakeSocket, leaveInMs: number | null, shutdown: Partial<ShutdownMessage> = {}): void {
  const rest = { phase: 'warning', deadlineInMs: DEADLINE_MS, remaining: 1, text: '' } as const
  socket.receive({ type: 'shutdown', leaveInMs, ...rest, ...shutdown })
}

interface Migration extends Setup {
  readonly first: FakeSocket
}

/** A client whose slot has begun: `socket` is the replacement. */
async function startMigration(options?: ClientOptions): Promise<Migration> {
  const setup = await startOpen(options)
  const first = setup.socket
  announce(first, 0)
  await setup.clock.advance(0)
  expect(setup.sockets).toHaveLength(2)
  return Object.defineProperties({ first }, Object.getOwnPropertyDescriptors(setup)) as Migration
}

/** The server accepts the replacement and completes its catch-up. */
function arrive({ socket }: Setup, offset = 0): void {
  socket.welcome({ node: 'n2' })
  socket.receive({ type: 'pong', offset })
}

const dataOf = (socket: FakeSocket): unknown[] => socket.sentOf('message').map(({ data }) => data)
const publish = ({ client }: Setup, data: number): Promise<number> => {
  const promise = client.publish(data, { id: `m${data}` })
  promise.catch(() => undefined)
  return promise
}
const ack = (socket: FakeSocket, data: number, offset: number): void =>
  socket.receive({ type: 'ack', id: `m${data}`, offset })

/** The application saw no event except its moves. */
function expectOnlyMoves({ events, client }: Setup, moves = 1): void {
  expect(client.state).toBe('open')
  expect(events.state).toEqual(['open'])
  expect(events.recovered).toEqual([])
  expect(events.error).toEqual([])
  expect(events.close).toEqual([])
  expect(events.move).toEqual(Array(moves).fill({ from: 'n1', to: 'n2' }))
}

// ——— the migration

test('at its slot the client opens a second connection with its session, its cursor and a fresh token, to another build', async () => {
  let tokens = 0
  const setup = await startOpen({ channels: ['news'], token: () => `token-${++tokens}` })
  await reconnect(setup)
  setup.socket.welcome({ build: '2024-11-05' })
  setup.socket.receiveMessage(7)
  announce(setup.socket, 3000)
  await setup.clock.advance(2999)
  expect(setup.sockets).toHaveLength(2)
  await setup.clock.advance(1)
  expect(setup.sockets).toHaveLength(3)
  const { socket } = setup
  expect(socket.url.pathname).toBe('/ws/anna')
  expect(socket.parameter('session')).toBe('secret')
  expect(socket.parameter('cursor')).toBe('e:7')
  expect(socket.parameter('channels')).toBe('news')
  expect(socket.parameter('token')).toBe('token-3')
  expect(socket.parameter('avoid')).toBe('2024-11-05')
})

test('a client avoids no build if its server names none', async () => {
  const { socket } = await startMigration()
  expect(socket.parameter('avoid')).toBeNull()
})

test('a client that reconnects after a lost connection avoids no build', async () => {
  const setup = await startOpen()
  await reconnect(setup)
  setup.socket.welcome({ build: 'b' })
  await reconnect(setup)
  expect(setup.socket.parameter('avoid')).toBeNull()
})

test('the client closes the first connection when the second has caught up, and emits a move', async () => {
  const migration = await startMigration()
  const { first, socket } = migration
  socket.welcome({ node: 'n2' })
  expect(socket.sent).toEqual([{ type: 'ping' }])
  expect(first.closedWith).toBeUndefined()
  expect(migration.events.move).toEqual([])
  socket.receive({ type: 'pong', offset: 0 })
  expect(first.closedWith).toBe(1000)
  expectOnlyMoves(migration)
  await migration.clock.advance(20_000)
  expect(migration.sockets).toHaveLength(2)
})

test('an entry that both connections deliver reaches the application once, whichever is first', async () => {
  const migration = await startMigration()
  const { first, socket } = migration
  first.receiveMessage(1)
  socket.welcome({ node: 'n2' })
  socket.receiveMessage(1)
  socket.receiveMessage(2)
  socket.receiveMessage(3)
  first.receiveMessage(2)
  first.receiveMessage(3)
  first.receiveMessage(4)
  socket.receiveMessage(4)
  socket.receive({ type: 'pong', offset: 4 })
  socket.receiveMessage(5)
  expect(migration.events.message.map(({ offset }) => offset)).toEqual([1, 2, 3, 4, 5])
})

test('the application receives a frame without an offset only from the connection that serves the client', async () => {
  const { first, socket, events } = await startMigration()
  const periodic = { type: 'periodic', at: '', active: 1, uptimeSeconds: 1, text: '' } as const
  socket.welcome({ node: 'n2' })
  socket.receive(periodic)
  expect(events.periodic).toHaveLength(0)
  first.receive(periodic)
  expect(events.periodic).toHaveLength(1)
  socket.receive({ type: 'pong', offset: 0 })
  socket.receive(periodic)
  expect(events.periodic).toHaveLength(2)
})

test('the client uses the session and the build of the new connection after the migration, not before', async () => {
  const migration = await startMigration()
  migration.socket.welcome({ node: 'n2', session: 'another', build: 'b2' })
  migration.socket.end()
  await migration.clock.advance(1000)
  expect(migration.socket.parameter('session')).toBe('secret')
  expect(migration.socket.parameter('avoid')).toBeNull()
  migration.socket.welcome({ node: 'n2', session: 'another', build: 'b2' })
  migration.socket.receive({ type: 'pong', offset: 0 })
  announce(migration.socket, 0)
  await migration.clock.advance(0)
  expect(migration.socket.parameter('session')).toBe('another')
  expect(migration.socket.parameter('avoid')).toBe('b2')
})

test('the client checks the new connection with heartbeats', async () => {
  const migration = await startMigration()
  arrive(migration)
  await migration.clock.advance(25_000)
  expect(migration.socket.sentOf('ping')).toHaveLength(2)
  await migration.clock.advance(25_000)
  expect(migration.client.state).toBe('reconnecting')
})

// ——— messages during the migration

test('messages go over the old link until the replacement is ready, wait for the acks, then go over the new one', async () => {
  const migration = await startMigration()
  const { first, socket } = migration
  const one = publish(migration, 1)
  expect(dataOf(first)).toEqual([1])
  arrive(migration)
  const two = publish(migration, 2)
  expect(first.closedWith).toBeUndefined()
  ack(first, 1, 1)
  expect(first.closedWith).toBe(1000)
  await expect(one).resolves.toBe(1)
  expect(dataOf(socket)).toEqual([2])
  ack(socket, 2, 2)
  await expect(two).resolves.toBe(2)
  expect(dataOf(first)).toEqual([1])
})

test('an ack on the new connection settles a message that went over the old one', async () => {
  const migration = await startMigration()
  const one = publish(migration, 1)
  migration.socket.welcome({ node: 'n2' })
  ack(migration.socket, 1, 1)
  await expect(one).resolves.toBe(1)
  migration.socket.receive({ type: 'pong', offset: 1 })
  expect(migration.first.closedWith).toBe(1000)
})

test('the client waits at most a second for acks, then sends unacknowledged messages again on the new connection', async () => {
  const migration = await startMigration()
  const { first, socket, clock } = migration
  const [one, two] = [publish(migration, 1), publish(migration, 2)]
  arrive(migration)
  void publish(migration, 3)
  await clock.advance(999)
  expect(first.closedWith).toBeUndefined()
  await clock.advance(1)
  expect(first.closedWith).toBe(1000)
  expect(socket.sentOf('ping')).toHaveLength(2)
  ack(socket, 1, 1)
  await expect(one).resolves.toBe(1)
  expect(dataOf(socket)).toEqual([])
  socket.receive({ type: 'pong', offset: 1 })
  expect(socket.sentOf('message').map(({ id }) => id)).toEqual(['m2', 'm3'])
  ack(socket, 2, 2)
  await expect(two).resolves.toBe(2)
  expectOnlyMoves(migration)
})

test('a message that the old server refused temporarily is sent on the new connection at once', async () => {
  const migration = await startMigration()
  const { first, socket } = migration
  void publish(migration, 1)
  const refusal = { type: 'error', code: 'shutting_down', message: '', temporary: true } as const
  first.receive({ ...refusal, id: 'm1' })
  arrive(migration)
  expect(first.closedWith).toBe(1000)
  expect(dataOf(socket)).toEqual([1])
})

// ——— rejected replacements

const failures: [how: string, fail: (socket: FakeSocket) => void][] = [
  ['the new instance drains as well', (socket) => socket.end(1001)],
  ['the new instance has the build to avoid', (socket) => socket.end(1013)],
  ['the replacement is cut', (socket) => socket.end(1006)],
  ['the new instance rejects the token', (socket) => socket.end(1008)],
  ['the name is in use there', (socket) => socket.end(4009)],
  ['the new instance has evicted the missed entries', (socket) => socket.welcome({ recovered: false, cursor: 'f:1' })],
  ['the new instance rejects a channel', (socket) => socket.welcome({ channels: ['lobby'] })],
  ['the new instance rejects the lobby', (socket) => socket.welcome({ channels: ['news'] })],
  [
    'the new instance starts to drain',
    (socket) => {
      socket.welcome()
      announce(socket, 0)
    },
  ],
  [
    'the replacement is lost during its catch-up',
    (socket) => {
      socket.welcome()
      socket.end(1006)
    },
  ],
]

test.each(failures)('when %s, the client stays and tries again', async (_how, fail) => {
  const migration = await startMigration({ channels: ['news'], token: () => 'fresh' })
  const { first, socket: replacement } = migration
  void publish(migration, 1)
  fail(replacement)
  expect(first.closedWith).toBeUndefined()
  void publish(migration, 2)
  expect(dataOf(first)).toEqual([1, 2])
  first.receiveMessage(1)
  expect(migration.events.message).toHaveLength(1)
  await migration.clock.advance(1000)
  expect(migration.sockets).toHaveLength(3)
  expectOnlyMoves(migration, 0)
  ack(first, 1, 2)
  ack(first, 2, 3)
  arrive(migration, 3)
  expectOnlyMoves(migration)
})

test('the client closes a replacement that it does not use', async () => {
  const migration = await startMigration()
  const replacement = migration.socket
  replacement.welcome({ recovered: false, cursor: 'f:1' })
  expect(replacement.closedWith).toBe(1000)
})

test('the client abandons a silent replacement in time, before the welcome and during the catch-up', async () => {
  const migration = await startMigration({ connectTimeoutMs: 3000 })
  const [, second] = migration.sockets
  await migration.clock.advance(3000)
  expect(second?.isTerminated).toBe(true)
  await migration.clock.advance(1000)
  const third = migration.socket
  expect(migration.sockets).toHaveLength(3)
  third.welcome()
  await migration.clock.advance(2999)
  expect(third.isTerminated).toBe(false)
  await migration.clock.advance(1)
  expect(third.isTerminated).toBe(true)
  expectOnlyMoves(migration, 0)
})

test('the client doubles the wait between its attempts to migrate, makes one at a time, and stops at the deadline', async () => {
  const setup = await startOpen({ minDelayMs: 1000, maxDelayMs: 4000 })
  announce(setup.socket, 0, { deadlineInMs: 20_000 })
  await setup.clock.advance(0)
  const times: number[] = []
  for (let waits = 0; waits < 40; waits++) {
    const { length } = setup.sockets
    if (length > 1 && setup.socket.closedWith === undefined && times.length < length - 1) {
      times.push(setup.clock.now())
      setup.socket.end(1001)
    }
    await setup.clock.advance(1000)
  }
  expect(times).toEqual([0, 1000, 3000, 6000, 10_000, 14_000, 18_000])
  expect(setup.client.state).toBe('open')
})

// ——— the first connection ends

test.each([1001, 1006])(
  'the replacement becomes the reconnect attempt when the first connection ends with %d before its welcome',
  async (code) => {
    const migration = await startMigration()
    void publish(migration, 1)
    migration.first.end(code)
    expect(migration.client.state).toBe('reconnecting')
    await migration.clock.advance(5000)
    expect(migration.sockets).toHaveLength(2)
    migration.socket.welcome({ node: 'n2' })
    expect(migration.events.state).toEqual(['open', 'reconnecting', 'open'])
    expect(migration.events.recovered).toEqual([{ recovered: true, channels: ['lobby'] }])
    expect(migration.events.move).toHaveLength(1)
    expect(dataOf(migration.socket)).toEqual([])
    migration.socket.receive({ type: 'pong', offset: 0 })
    expect(dataOf(migration.socket)).toEqual([1])
  },
)

test.each([1001, 1006, 4001])(
  'the client completes its migration when the first connection ends with %d during the catch-up',
  async (code) => {
    const migration = await startMigration()
    void publish(migration, 1)
    migration.socket.welcome({ node: 'n2' })
    migration.first.end(code)
    expectOnlyMoves(migration)
    void publish(migration, 2)
    expect(dataOf(migration.socket)).toEqual([])
    migration.socket.receive({ type: 'pong', offset: 0 })
    expect(dataOf(migration.socket)).toEqual([1, 2])
    expectOnlyMoves(migration)
  },
)

test('the client sends its unacknowledged messages on the new connection when the first one ends before their acks', async () => {
  const migration = await startMigration()
  void publish(migration, 1)
  arrive(migration)
  migration.first.end(1001)
  expectOnlyMoves(migration)
  expect(dataOf(migration.socket)).toEqual([])
  migration.socket.receive({ type: 'pong', offset: 0 })
  expect(dataOf(migration.socket)).toEqual([1])
})

test('the client keeps the replacement when the first connection is silent for too long', async () => {
  const setup = await startOpen({ connectTimeoutMs: 60_000 })
  const first = setup.socket
  announce(first, 40_000)
  await setup.clock.advance(49_999)
  expect(setup.sockets).toHaveLength(2)
  await setup.clock.advance(1)
  expect(first.isTerminated).toBe(true)
  expect(setup.client.state).toBe('reconnecting')
  setup.socket.welcome()
  expect(setup.client.state).toBe('open')
})

test('the client reconnects as usual when it loses both connections', async () => {
  const migration = await startMigration()
  migration.first.end()
  migration.socket.end()
  expect(migration.client.state).toBe('reconnecting')
  await migration.clock.advance(1000)
  expect(migration.sockets).toHaveLength(3)
})

// ——— the same instance accepts the replacement

test('a client continues when its replacement takes over, even if the 4001 arrives before the welcome', async () => {
  const migration = await startMigration()
  void publish(migration, 1)
  migration.first.end(4001)
  expect(migration.client.state).toBe('open')
  migration.socket.welcome()
  migration.socket.receive({ type: 'pong', offset: 0 })
  expect(dataOf(migration.socket)).toEqual([1])
  // The same instance serves the client as before.
  expectOnlyMoves(migration, 0)
})

test('a client reconnects when a replacement that it abandoned takes over', async () => {
  const migration = await startMigration()
  migration.client.subscribe('later', () => undefined)
  expect(migration.socket.closedWith).toBe(1000)
  migration.first.end(4001)
  expect(migration.client.state).toBe('reconnecting')
  await migration.clock.advance(1000)
  migration.socket.welcome()
  expect(migration.client.state).toBe('open')
  // The client has no attempt left that explains a takeover, so the next one comes from another client.
  migration.socket.end(4001)
  expect(migration.client.state).toBe('closed')
})

test('a final close code ends a client that migrates, too', async () => {
  const migration = await startMigration()
  migration.first.end(1009, 'too large')
  expect(migration.events.close).toEqual([{ code: 1009, reason: 'too large' }])
  expect(migration.socket.closedWith).toBe(1000)
})

// ——— cancelled shutdowns, and slots that change

test('a client whose slot has not begun, or whose attempt has failed, stays when the shutdown is cancelled', async () => {
  const early = await startOpen()
  announce(early.socket, 5000)
  early.socket.receive({ type: 'shutdownCancelled', text: '' })
  const waiting = await startMigration()
  waiting.socket.end(1001)
  waiting.first.receive({ type: 'shutdownCancelled', text: '' })
  const failing = await startMigration()
  failing.first.receive({ type: 'shutdownCancelled', text: '' })
  failing.socket.end(1001)
  for (const [setup, count] of [
    [early, 1],
    [waiting, 2],
    [failing, 2],
  ] as const) {
    await setup.clock.advance(20_000)
    expect(setup.sockets).toHaveLength(count)
    expectOnlyMoves(setup, 0)
  }
})

test('a client that migrates completes its migration when the shutdown is cancelled', async () => {
  const migration = await startMigration()
  migration.first.receive({ type: 'shutdownCancelled', text: '' })
  // The other instance has accepted the client, and the old one learns it from the journal.
  migration.first.end(4001)
  migration.socket.welcome({ node: 'n2' })
  migration.socket.receive({ type: 'pong', offset: 0 })
  await migration.clock.advance(20_000)
  expect(migration.sockets).toHaveLength(2)
  expect(migration.client.state).toBe('open')
  expectOnlyMoves(migration, 1)
})

test('an attempt that fails in the next shutdown is repeated, although it began in a cancelled one', async () => {
  const migration = await startMigration()
  migration.first.receive({ type: 'shutdownCancelled', text: '' })
  announce(migration.first, 5000)
  await migration.clock.advance(6000)
  expect(migration.sockets).toHaveLength(2)
  migration.socket.end(1001)
  await migration.clock.advance(2000)
  expect(migration.sockets).toHaveLength(3)
})

test('a client without a slot stays connected', async () => {
  const setup = await startOpen()
  announce(setup.socket, null)
  await setup.clock.advance(20_000)
  announce(setup.socket, 5000, { phase: 'reminder' })
  announce(setup.socket, null, { phase: 'reminder' })
  await setup.clock.advance(20_000)
  expect(setup.sockets).toHaveLength(1)
})

test('a reminder may move the slot to a later or an earlier time', async () => {
  const setup = await startOpen()
  announce(setup.socket, 5000)
  announce(setup.socket, 10_000, { phase: 'reminder' })
  await setup.clock.advance(9999)
  expect(setup.sockets).toHaveLength(1)
  announce(setup.socket, 20_000, { phase: 'reminder' })
  announce(setup.socket, 1000, { phase: 'reminder' })
  await setup.clock.advance(1000)
  expect(setup.sockets).toHaveLength(2)
})

test('a reminder does not shorten the wait for the next attempt, because all clients receive it at the same time', async () => {
  const migration = await startMigration()
  migration.socket.end(1001)
  announce(migration.first, 0, { phase: 'reminder' })
  await migration.clock.advance(999)
  expect(migration.sockets).toHaveLength(2)
  await migration.clock.advance(1)
  expect(migration.sockets).toHaveLength(3)
  announce(migration.first, 0, { phase: 'reminder' })
  await migration.clock.advance(0)
  expect(migration.sockets).toHaveLength(3)
})

test('a client does not migrate in the phase closing, because the close follows', async () => {
  const setup = await startOpen()
  announce(setup.socket, 500)
  announce(setup.socket, 0, { phase: 'closing', deadlineInMs: 0 })
  await setup.clock.advance(600)
  expect(setup.sockets).toHaveLength(1)
  setup.socket.end(1001)
  expect(setup.client.state).toBe('reconnecting')
})

test('a client that loses its connection before its slot forgets the slot', async () => {
  const setup = await startOpen()
  announce(setup.socket, 5000)
  await reconnect(setup)
  await setup.clock.advance(5000)
  expect(setup.sockets).toHaveLength(2)
  setup.socket.welcome()
  await setup.clock.advance(5000)
  expect(setup.sockets).toHaveLength(2)
  announce(setup.socket, 1000)
  await setup.clock.advance(1000)
  expect(setup.sockets).toHaveLength(3)
})

test('the new instance may ask the client to migrate again', async () => {
  const migration = await startMigration()
  arrive(migration)
  announce(migration.socket, 1000)
  await migration.clock.advance(1000)
  migration.socket.welcome({ node: 'n3' })
  migration.socket.receive({ type: 'pong', offset: 0 })
  expect(migration.sockets[1]?.closedWith).toBe(1000)
  expect(migration.events.move).toEqual([
    { from: 'n1', to: 'n2' },
    { from: 'n2', to: 'n3' },
  ])
})

// ——— a suspended device

test('a client that slept through its slot draws one in the first half of the remaining time, and keeps it', async () => {
  const setup = await startOpen({ random: () => 0.5 })
  announce(setup.socket, 1000, { deadlineInMs: 20_000 })
  setup.clock.sleep(10_000)
  await setup.clock.advance(0)
  expect(setup.sockets).toHaveLength(1)
  await setup.clock.advance(2499)
  expect(setup.sockets).toHaveLength(1)
  // The browser delays the timers of a hidden page, too.
  setup.clock.sleep(5000)
  await setup.clock.advance(0)
  expect(setup.sockets).toHaveLength(2)
})

test('that slot is no later than the longest wait', async () => {
  const setup = await startOpen({ maxDelayMs: 10_000 })
  announce(setup.socket, 1000)
  setup.clock.sleep(5000)
  await setup.clock.advance(10_000)
  expect(setup.sockets).toHaveLength(2)
})

test('a client that slept through the deadline checks with a ping whether it is still connected', async () => {
  const page = Object.assign(new EventTarget(), { visibilityState: 'visible' })
  vi.stubGlobal('document', page)
  const setup = await startOpen({ connectTimeoutMs: 3000 })
  announce(setup.socket, 1000, { deadlineInMs: 20_000 })
  setup.clock.sleep(20_000)
  page.dispatchEvent(new Event('visibilitychange'))
  expect(setup.socket.sent).toEqual([{ type: 'ping' }])
  await setup.clock.advance(2999)
  expect(setup.sockets).toHaveLength(1)
  await setup.clock.advance(1)
  expect(setup.client.state).toBe('reconnecting')
  vi.unstubAllGlobals()
})

// ——— calls of the application during the migration

test('close ends both connections', async () => {
  const migration = await startMigration()
  migration.client.close()
  expect(migration.first.closedWith).toBe(1000)
  expect(migration.socket.closedWith).toBe(1000)
  for (const socket of migration.sockets) socket.end(1000)
  expect(migration.clock.pending).toBe(0)
  expect(migration.events.close).toEqual([{ code: 1000, reason: '' }])
})

test('a subscription before the replacement’s welcome goes over the first connection, and the next handshake names it', async () => {
  const migration = await startMigration()
  const { first, socket: replacement, clock } = migration
  migration.client.subscribe('news')
  expect(replacement.closedWith).toBe(1000)
  expect(first.sentOf('subscribe')).toHaveLength(1)
  await clock.advance(1000)
  // A replacement waits until the answer to the subscription arrives.
  expect(migration.sockets).toHaveLength(2)
  const { id } = first.sentOf('subscribe')[0] as { id: string }
  first.receive({ type: 'subscribed', id, channels: ['news'], recovered: true, cursor: 'e:0' })
  await clock.advance(2000)
  expect(migration.socket.parameter('channels')).toBe('news')
  arrive(migration)
  expectOnlyMoves(migration)
})

test('a subscription during the catch-up goes over the replacement', async () => {
  const migration = await startMigration()
  const { first, socket } = migration
  socket.welcome({ node: 'n2' })
  migration.client.subscribe('news')
  void migration.client.publish(1, { channel: 'news' }).catch(() => undefined)
  expect(first.sent).toEqual([])
  socket.receive({ type: 'pong', offset: 0 })
  expect(socket.sentOf('subscribe')).toMatchObject([{ channels: ['news'], since: 'e:0' }])
})

test('messages that waited for a lost replacement are sent on the older link', async () => {
  const migration = await startMigration()
  const { first, socket: replacement } = migration
  void publish(migration, 1)
  arrive(migration)
  migration.client.subscribe('news')
  void publish(migration, 2)
  expect(dataOf(first)).toEqual([1])
  replacement.end()
  expect(first.sentOf('subscribe')).toMatchObject([{ channels: ['news'] }])
  expect(dataOf(first)).toEqual([1, 2])
})

test('an unsubscribe during the catch-up goes over the replacement', async () => {
  const migration = await startMigration()
  arrive(migration)
  const news = migration.client.subscribe('news')
  const { id } = migration.socket.sentOf('subscribe')[0] as { id: string }
  migration.socket.receive({ type: 'subscribed', id, channels: ['news'], recovered: true, cursor: 'e:0' })
  announce(migration.socket, 0)
  await migration.clock.advance(0)
  migration.socket.welcome({ node: 'n3' })
  news.unsubscribe()
  expect(migration.sockets[1]?.sentOf('unsubscribe')).toEqual([])
  migration.socket.receive({ type: 'pong', offset: 0 })
  expect(migration.socket.sentOf('unsubscribe')).toMatchObject([{ channels: ['news'] }])
})

test('after the loss of the replacement the client subscribes only when the first connection reaches its cursor', async () => {
  const migration = await startMigration()
  const { first, socket: replacement } = migration
  replacement.welcome({ node: 'n2' })
  replacement.receiveMessage(5)
  replacement.end()
  migration.client.subscribe('news')
  // The first server has not read up to the client's cursor yet and would have to answer `recovered: false`.
  expect(first.sent).toEqual([{ type: 'ping' }])
  first.receive({ type: 'pong', offset: 4 })
  expect(first.sent).toEqual([{ type: 'ping' }, { type: 'ping' }])
  first.receiveMessage(5)
  expect(first.sentOf('subscribe')).toMatchObject([{ channels: ['news'], since: 'e:5' }])
  expect(migration.events.message).toHaveLength(1)
})
