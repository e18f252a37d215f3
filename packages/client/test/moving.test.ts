/**
 * How the client leaves a server that shuts down before it is closed: a second connection first, then the end of the
 * first, and nothing of it to be noticed.
 */
import { expect, test, vi } from 'vitest'
import type { ClientOptions } from '../src/index.js'
import type { ShutdownMessage } from '../src/messages.js'
import type { FakeSocket } from './support/fake-socket.js'
import { reconnect, startOpen, type Setup } from './support/setup.js'

const DEADLINE_MS = 600_000

function announce(socket: FakeSocket, leaveInMs: number | null, shutdown: Partial<ShutdownMessage> = {}): void {
  const rest = { phase: 'warning', deadlineInMs: DEADLINE_MS, remaining: 1, text: '' } as const
  socket.say({ type: 'shutdown', leaveInMs, ...rest, ...shutdown })
}

interface Moving extends Setup {
  readonly first: FakeSocket
}

/** A client whose slot has come: `socket` is the replacement. */
async function startMoving(options?: ClientOptions): Promise<Moving> {
  const setup = await startOpen(options)
  const first = setup.socket
  announce(first, 0)
  await setup.clock.advance(0)
  expect(setup.sockets).toHaveLength(2)
  return Object.defineProperties({ first }, Object.getOwnPropertyDescriptors(setup)) as Moving
}

/** Lets the replacement in and says everything that there is to say. */
function arrive({ socket }: Setup, offset = 0): void {
  socket.welcome({ node: 'n2' })
  socket.say({ type: 'pong', offset })
}

const dataOf = (socket: FakeSocket): unknown[] => socket.sentOf('message').map(({ data }) => data)
const publish = ({ client }: Setup, data: number): Promise<number> => {
  const promise = client.publish(data, { id: `m${data}` })
  promise.catch(() => undefined)
  return promise
}
const ack = (socket: FakeSocket, data: number, offset: number): void =>
  socket.say({ type: 'ack', id: `m${data}`, offset })

/** That the application has been told of nothing, except that it moved. */
function expectNothingTold({ told, client }: Setup, moves = 1): void {
  expect(client.state).toBe('open')
  expect(told.state).toEqual(['open'])
  expect(told.recovered).toEqual([])
  expect(told.error).toEqual([])
  expect(told.close).toEqual([])
  expect(told.move).toEqual(Array(moves).fill({ from: 'n1', to: 'n2' }))
}

// ——— the move

test('when its turn comes it connects a second time: the same client at its place, a fresh token, elsewhere', async () => {
  let tokens = 0
  const setup = await startOpen({ channels: ['news'], token: () => `token-${++tokens}` })
  await reconnect(setup)
  setup.socket.welcome({ build: '2024-11-05' })
  setup.socket.hear(7)
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

test('a server that does not say its build is not to be avoided', async () => {
  const { socket } = await startMoving()
  expect(socket.parameter('avoid')).toBeNull()
})

test('a client that reconnects after a lost connection avoids no build', async () => {
  const setup = await startOpen()
  await reconnect(setup)
  setup.socket.welcome({ build: 'b' })
  await reconnect(setup)
  expect(setup.socket.parameter('avoid')).toBeNull()
})

test('the first connection is closed when the second has caught up, and the application is told that it moved', async () => {
  const moving = await startMoving()
  const { first, socket } = moving
  socket.welcome({ node: 'n2' })
  expect(socket.sent).toEqual([{ type: 'ping' }])
  expect(first.closedWith).toBeUndefined()
  expect(moving.told.move).toEqual([])
  socket.say({ type: 'pong', offset: 0 })
  expect(first.closedWith).toBe(1000)
  expectNothingTold(moving)
  await moving.clock.advance(20_000)
  expect(moving.sockets).toHaveLength(2)
})

test('an entry that both connections deliver reaches the application once, whichever is first', async () => {
  const moving = await startMoving()
  const { first, socket } = moving
  first.hear(1)
  socket.welcome({ node: 'n2' })
  socket.hear(1)
  socket.hear(2)
  socket.hear(3)
  first.hear(2)
  first.hear(3)
  first.hear(4)
  socket.hear(4)
  socket.say({ type: 'pong', offset: 4 })
  socket.hear(5)
  expect(moving.told.message.map(({ offset }) => offset)).toEqual([1, 2, 3, 4, 5])
})

test('a frame that is no entry comes from the connection that serves the client', async () => {
  const { first, socket, told } = await startMoving()
  const periodic = { type: 'periodic', at: '', active: 1, uptimeSeconds: 1, text: '' } as const
  socket.welcome({ node: 'n2' })
  socket.say(periodic)
  expect(told.periodic).toHaveLength(0)
  first.say(periodic)
  expect(told.periodic).toHaveLength(1)
  socket.say({ type: 'pong', offset: 0 })
  socket.say(periodic)
  expect(told.periodic).toHaveLength(2)
})

test('the session and the build of the new connection count from then on, not before', async () => {
  const moving = await startMoving()
  moving.socket.welcome({ node: 'n2', session: 'another', build: 'b2' })
  moving.socket.end()
  await moving.clock.advance(1000)
  expect(moving.socket.parameter('session')).toBe('secret')
  expect(moving.socket.parameter('avoid')).toBeNull()
  moving.socket.welcome({ node: 'n2', session: 'another', build: 'b2' })
  moving.socket.say({ type: 'pong', offset: 0 })
  announce(moving.socket, 0)
  await moving.clock.advance(0)
  expect(moving.socket.parameter('session')).toBe('another')
  expect(moving.socket.parameter('avoid')).toBe('b2')
})

test('the new connection is looked after as any other', async () => {
  const moving = await startMoving()
  arrive(moving)
  await moving.clock.advance(25_000)
  expect(moving.socket.sentOf('ping')).toHaveLength(2)
  await moving.clock.advance(25_000)
  expect(moving.client.state).toBe('reconnecting')
})

// ——— what is said meanwhile

test('messages go over the old link until the replacement is ready, wait for the acks, then go over the new one', async () => {
  const moving = await startMoving()
  const { first, socket } = moving
  const one = publish(moving, 1)
  expect(dataOf(first)).toEqual([1])
  arrive(moving)
  const two = publish(moving, 2)
  expect(first.closedWith).toBeUndefined()
  ack(first, 1, 1)
  expect(first.closedWith).toBe(1000)
  await expect(one).resolves.toBe(1)
  expect(dataOf(socket)).toEqual([2])
  ack(socket, 2, 2)
  await expect(two).resolves.toBe(2)
  expect(dataOf(first)).toEqual([1])
})

test('an ack that the new connection brings counts as well', async () => {
  const moving = await startMoving()
  const one = publish(moving, 1)
  moving.socket.welcome({ node: 'n2' })
  ack(moving.socket, 1, 1)
  await expect(one).resolves.toBe(1)
  moving.socket.say({ type: 'pong', offset: 1 })
  expect(moving.first.closedWith).toBe(1000)
})

test('it waits for a second at most: what is not acked then is asked about on the new way, and said again', async () => {
  const moving = await startMoving()
  const { first, socket, clock } = moving
  const [one, two] = [publish(moving, 1), publish(moving, 2)]
  arrive(moving)
  void publish(moving, 3)
  await clock.advance(999)
  expect(first.closedWith).toBeUndefined()
  await clock.advance(1)
  expect(first.closedWith).toBe(1000)
  expect(socket.sentOf('ping')).toHaveLength(2)
  ack(socket, 1, 1)
  await expect(one).resolves.toBe(1)
  expect(dataOf(socket)).toEqual([])
  socket.say({ type: 'pong', offset: 1 })
  expect(socket.sentOf('message').map(({ id }) => id)).toEqual(['m2', 'm3'])
  ack(socket, 2, 2)
  await expect(two).resolves.toBe(2)
  expectNothingTold(moving)
})

test('a message that the old server refused temporarily is sent on the new connection at once', async () => {
  const moving = await startMoving()
  const { first, socket } = moving
  void publish(moving, 1)
  const refusal = { type: 'error', code: 'shutting_down', message: '', temporary: true } as const
  first.say({ ...refusal, id: 'm1' })
  arrive(moving)
  expect(first.closedWith).toBe(1000)
  expect(dataOf(socket)).toEqual([1])
})

// ——— turned away

const turnedAway: [how: string, turn: (socket: FakeSocket) => void][] = [
  ['it shuts down as well', (socket) => socket.end(1001)],
  ['it is of the build to be avoided', (socket) => socket.end(1013)],
  ['the way there is cut', (socket) => socket.end(1006)],
  ['it does not take the token', (socket) => socket.end(1008)],
  ['the name is in use there', (socket) => socket.end(4009)],
  ['it does not have what was missed', (socket) => socket.welcome({ recovered: false, cursor: 'f:1' })],
  ['it does not let into all channels', (socket) => socket.welcome({ channels: ['lobby'] })],
  ['it lets into the lobby no more', (socket) => socket.welcome({ channels: ['news'] })],
  [
    'it is about to end',
    (socket) => {
      socket.welcome()
      announce(socket, 0)
    },
  ],
  [
    'it is lost while it catches up',
    (socket) => {
      socket.welcome()
      socket.end(1006)
    },
  ],
]

test.each(turnedAway)('where %s, it stays for now and tries again', async (_how, turn) => {
  const moving = await startMoving({ channels: ['news'], token: () => 'fresh' })
  const { first, socket: replacement } = moving
  void publish(moving, 1)
  turn(replacement)
  expect(first.closedWith).toBeUndefined()
  void publish(moving, 2)
  expect(dataOf(first)).toEqual([1, 2])
  first.hear(1)
  expect(moving.told.message).toHaveLength(1)
  await moving.clock.advance(1000)
  expect(moving.sockets).toHaveLength(3)
  expectNothingTold(moving, 0)
  ack(first, 1, 2)
  ack(first, 2, 3)
  arrive(moving, 3)
  expectNothingTold(moving)
})

test('a connection that it does not take is closed', async () => {
  const moving = await startMoving()
  const replacement = moving.socket
  replacement.welcome({ recovered: false, cursor: 'f:1' })
  expect(replacement.closedWith).toBe(1000)
})

test('a replacement of which nothing is heard is given up in time, while it comes and while it catches up', async () => {
  const moving = await startMoving({ connectTimeoutMs: 3000 })
  const [, second] = moving.sockets
  await moving.clock.advance(3000)
  expect(second?.isTerminated).toBe(true)
  await moving.clock.advance(1000)
  const third = moving.socket
  expect(moving.sockets).toHaveLength(3)
  third.welcome()
  await moving.clock.advance(2999)
  expect(third.isTerminated).toBe(false)
  await moving.clock.advance(1)
  expect(third.isTerminated).toBe(true)
  expectNothingTold(moving, 0)
})

test('it tries again after up to twice as long each time, one at a time, and not beyond the deadline', async () => {
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
  'the first ends with %d before the replacement is in: that is the attempt to come back',
  async (code) => {
    const moving = await startMoving()
    void publish(moving, 1)
    moving.first.end(code)
    expect(moving.client.state).toBe('reconnecting')
    await moving.clock.advance(5000)
    expect(moving.sockets).toHaveLength(2)
    moving.socket.welcome({ node: 'n2' })
    expect(moving.told.state).toEqual(['open', 'reconnecting', 'open'])
    expect(moving.told.recovered).toEqual([{ recovered: true, channels: ['lobby'] }])
    expect(moving.told.move).toHaveLength(1)
    expect(dataOf(moving.socket)).toEqual([])
    moving.socket.say({ type: 'pong', offset: 0 })
    expect(dataOf(moving.socket)).toEqual([1])
  },
)

test.each([1001, 1006, 4001])('the first ends with %d while the replacement catches up: it has moved', async (code) => {
  const moving = await startMoving()
  void publish(moving, 1)
  moving.socket.welcome({ node: 'n2' })
  moving.first.end(code)
  expectNothingTold(moving)
  void publish(moving, 2)
  expect(dataOf(moving.socket)).toEqual([])
  moving.socket.say({ type: 'pong', offset: 0 })
  expect(dataOf(moving.socket)).toEqual([1, 2])
  expectNothingTold(moving)
})

test('the first ends while its last acks are waited for: they are asked for on the new one', async () => {
  const moving = await startMoving()
  void publish(moving, 1)
  arrive(moving)
  moving.first.end(1001)
  expectNothingTold(moving)
  expect(dataOf(moving.socket)).toEqual([])
  moving.socket.say({ type: 'pong', offset: 0 })
  expect(dataOf(moving.socket)).toEqual([1])
})

test('the first is silent for too long: the replacement is what is left', async () => {
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

test('when neither is left it comes back as after any loss', async () => {
  const moving = await startMoving()
  moving.first.end()
  moving.socket.end()
  expect(moving.client.state).toBe('reconnecting')
  await moving.clock.advance(1000)
  expect(moving.sockets).toHaveLength(3)
})

// ——— the replacement is on the same instance

test('that it takes over from itself is not the end, even if it hears of that before its welcome', async () => {
  const moving = await startMoving()
  void publish(moving, 1)
  moving.first.end(4001)
  expect(moving.client.state).toBe('open')
  moving.socket.welcome()
  moving.socket.say({ type: 'pong', offset: 0 })
  expect(dataOf(moving.socket)).toEqual([1])
  // It is where it was.
  expectNothingTold(moving, 0)
})

test('nor is it when the replacement has been given up since', async () => {
  const moving = await startMoving()
  moving.client.subscribe('later', () => undefined)
  expect(moving.socket.closedWith).toBe(1000)
  moving.first.end(4001)
  expect(moving.client.state).toBe('reconnecting')
  await moving.clock.advance(1000)
  moving.socket.welcome()
  expect(moving.client.state).toBe('open')
  // From here on it has not set out: this is somebody else.
  moving.socket.end(4001)
  expect(moving.client.state).toBe('closed')
})

test('to be told not to come back ends it while it moves, too', async () => {
  const moving = await startMoving()
  moving.first.end(1009, 'too large')
  expect(moving.told.close).toEqual([{ code: 1009, reason: 'too large' }])
  expect(moving.socket.closedWith).toBe(1000)
})

// ——— called off, put off

test('a client whose slot has not begun, or whose attempt has failed, stays when the shutdown is cancelled', async () => {
  const early = await startOpen()
  announce(early.socket, 5000)
  early.socket.say({ type: 'shutdownCancelled', text: '' })
  const waiting = await startMoving()
  waiting.socket.end(1001)
  waiting.first.say({ type: 'shutdownCancelled', text: '' })
  const failing = await startMoving()
  failing.first.say({ type: 'shutdownCancelled', text: '' })
  failing.socket.end(1001)
  for (const [setup, count] of [
    [early, 1],
    [waiting, 2],
    [failing, 2],
  ] as const) {
    await setup.clock.advance(20_000)
    expect(setup.sockets).toHaveLength(count)
    expectNothingTold(setup, 0)
  }
})

test('a client that migrates completes its migration when the shutdown is cancelled', async () => {
  const moving = await startMoving()
  moving.first.say({ type: 'shutdownCancelled', text: '' })
  // The other instance has accepted the client, and the old one learns it from the journal.
  moving.first.end(4001)
  moving.socket.welcome({ node: 'n2' })
  moving.socket.say({ type: 'pong', offset: 0 })
  await moving.clock.advance(20_000)
  expect(moving.sockets).toHaveLength(2)
  expect(moving.client.state).toBe('open')
  expectNothingTold(moving, 1)
})

test('an attempt that fails in the next shutdown is repeated, although it began in a cancelled one', async () => {
  const moving = await startMoving()
  moving.first.say({ type: 'shutdownCancelled', text: '' })
  announce(moving.first, 5000)
  await moving.clock.advance(6000)
  expect(moving.sockets).toHaveLength(2)
  moving.socket.end(1001)
  await moving.clock.advance(2000)
  expect(moving.sockets).toHaveLength(3)
})

test('it stays as long as it likes where it is not asked to leave', async () => {
  const setup = await startOpen()
  announce(setup.socket, null)
  await setup.clock.advance(20_000)
  announce(setup.socket, 5000, { phase: 'reminder' })
  announce(setup.socket, null, { phase: 'reminder' })
  await setup.clock.advance(20_000)
  expect(setup.sockets).toHaveLength(1)
})

test('a reminder may put its turn off, or forward', async () => {
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

test('a reminder hurries nobody who waits to try again: everybody gets it at the same moment', async () => {
  const moving = await startMoving()
  moving.socket.end(1001)
  announce(moving.first, 0, { phase: 'reminder' })
  await moving.clock.advance(999)
  expect(moving.sockets).toHaveLength(2)
  await moving.clock.advance(1)
  expect(moving.sockets).toHaveLength(3)
  announce(moving.first, 0, { phase: 'reminder' })
  await moving.clock.advance(0)
  expect(moving.sockets).toHaveLength(3)
})

test('a server that is about to close it is not moved from: the close follows', async () => {
  const setup = await startOpen()
  announce(setup.socket, 500)
  announce(setup.socket, 0, { phase: 'closing', deadlineInMs: 0 })
  await setup.clock.advance(600)
  expect(setup.sockets).toHaveLength(1)
  setup.socket.end(1001)
  expect(setup.client.state).toBe('reconnecting')
})

test('a slot belongs to its connection: what is lost before it comes takes it along', async () => {
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

test('where it has moved to it may be asked to move again', async () => {
  const moving = await startMoving()
  arrive(moving)
  announce(moving.socket, 1000)
  await moving.clock.advance(1000)
  moving.socket.welcome({ node: 'n3' })
  moving.socket.say({ type: 'pong', offset: 0 })
  expect(moving.sockets[1]?.closedWith).toBe(1000)
  expect(moving.told.move).toEqual([
    { from: 'n1', to: 'n2' },
    { from: 'n2', to: 'n3' },
  ])
})

// ——— a device that sleeps

test('a client that slept through its slot draws one in the first half of the remaining time, and keeps it', async () => {
  const setup = await startOpen({ random: () => 0.5 })
  announce(setup.socket, 1000, { deadlineInMs: 20_000 })
  setup.clock.sleep(10_000)
  await setup.clock.advance(0)
  expect(setup.sockets).toHaveLength(1)
  await setup.clock.advance(2499)
  expect(setup.sockets).toHaveLength(1)
  // The timers of a page that nobody looks at come late, too.
  setup.clock.sleep(5000)
  await setup.clock.advance(0)
  expect(setup.sockets).toHaveLength(2)
})

test('that slot is not farther away than the longest wait', async () => {
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

// ——— what the application wants meanwhile

test('close ends both connections', async () => {
  const moving = await startMoving()
  moving.client.close()
  expect(moving.first.closedWith).toBe(1000)
  expect(moving.socket.closedWith).toBe(1000)
  for (const socket of moving.sockets) socket.end(1000)
  expect(moving.clock.pending).toBe(0)
  expect(moving.told.close).toEqual([{ code: 1000, reason: '' }])
})

test('a channel that is wanted before the replacement is in is asked for at once, and named by the next one', async () => {
  const moving = await startMoving()
  const { first, socket: replacement, clock } = moving
  moving.client.subscribe('news')
  expect(replacement.closedWith).toBe(1000)
  expect(first.sentOf('subscribe')).toHaveLength(1)
  await clock.advance(1000)
  // Not as long as the answer is under way.
  expect(moving.sockets).toHaveLength(2)
  const { id } = first.sentOf('subscribe')[0] as { id: string }
  first.say({ type: 'subscribed', id, channels: ['news'], recovered: true, cursor: 'e:0' })
  await clock.advance(2000)
  expect(moving.socket.parameter('channels')).toBe('news')
  arrive(moving)
  expectNothingTold(moving)
})

test('one that is wanted while the replacement catches up is asked for there', async () => {
  const moving = await startMoving()
  const { first, socket } = moving
  socket.welcome({ node: 'n2' })
  moving.client.subscribe('news')
  void moving.client.publish(1, { channel: 'news' }).catch(() => undefined)
  expect(first.sent).toEqual([])
  socket.say({ type: 'pong', offset: 0 })
  expect(socket.sentOf('subscribe')).toMatchObject([{ channels: ['news'], since: 'e:0' }])
})

test('messages that waited for a lost replacement are sent on the older link', async () => {
  const moving = await startMoving()
  const { first, socket: replacement } = moving
  void publish(moving, 1)
  arrive(moving)
  moving.client.subscribe('news')
  void publish(moving, 2)
  expect(dataOf(first)).toEqual([1])
  replacement.end()
  expect(first.sentOf('subscribe')).toMatchObject([{ channels: ['news'] }])
  expect(dataOf(first)).toEqual([1, 2])
})

test('one that is left while the replacement catches up is left there', async () => {
  const moving = await startMoving()
  arrive(moving)
  const news = moving.client.subscribe('news')
  const { id } = moving.socket.sentOf('subscribe')[0] as { id: string }
  moving.socket.say({ type: 'subscribed', id, channels: ['news'], recovered: true, cursor: 'e:0' })
  announce(moving.socket, 0)
  await moving.clock.advance(0)
  moving.socket.welcome({ node: 'n3' })
  news.unsubscribe()
  expect(moving.sockets[1]?.sentOf('unsubscribe')).toEqual([])
  moving.socket.say({ type: 'pong', offset: 0 })
  expect(moving.socket.sentOf('unsubscribe')).toMatchObject([{ channels: ['news'] }])
})

test('a connection is asked for no channel before it has told what the other one told already', async () => {
  const moving = await startMoving()
  const { first, socket: replacement } = moving
  replacement.welcome({ node: 'n2' })
  replacement.hear(5)
  replacement.end()
  moving.client.subscribe('news')
  // The first one's server has not read so far yet, and would have to say that it can not be had.
  expect(first.sent).toEqual([{ type: 'ping' }])
  first.say({ type: 'pong', offset: 4 })
  expect(first.sent).toEqual([{ type: 'ping' }, { type: 'ping' }])
  first.hear(5)
  expect(first.sentOf('subscribe')).toMatchObject([{ channels: ['news'], since: 'e:5' }])
  expect(moving.told.message).toHaveLength(1)
})
