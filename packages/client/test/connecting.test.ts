/**
 * How the client connects and reconnects: the content of its handshake, the times of its attempts, and when it ends.
 */
import { expect, test, vi } from 'vitest'
import { connect } from '../src/index.js'
import { reconnect, start, startOpen, type Setup } from './support/setup.js'
import { settled } from './support/fake-clock.js'
import { fakeWebSockets } from './support/fake-socket.js'

test('the handshake names the client, its channels and its token, in the strict dialect', async () => {
  const { socket } = await start({ clientId: 'anna', channels: ['news', 'games'], token: 'a.b.c' })
  expect(socket.protocol).toBe('lastcall.v1')
  expect(socket.url.pathname).toBe('/ws/anna')
  expect(socket.parameter('channels')).toBe('news,games')
  expect(socket.parameter('token')).toBe('a.b.c')
  expect(socket.parameter('cursor')).toBeNull()
})

test('the client turns an http URL into a WebSocket URL and keeps its query', async () => {
  const { sockets, WebSocket } = fakeWebSockets()
  const client = connect('https://server/here/ws/?region=eu', { webSocket: WebSocket, clientId: 'anna' })
  await settled()
  expect(sockets[0]?.url.href).toBe('wss://server/here/ws/anna?region=eu')
  client.close()
})

test('connect without any WebSocket implementation throws an error that names the missing option', () => {
  vi.stubGlobal('WebSocket', undefined)
  expect(() => connect('ws://server/ws')).toThrow('webSocket')
  vi.unstubAllGlobals()
})

test('a reconnecting client sends its name, its session and its cursor', async () => {
  const setup = await startOpen()
  setup.socket.receiveMessage(7)
  await reconnect(setup)
  expect(setup.socket.url.pathname).toBe('/ws/anna')
  expect(setup.socket.parameter('session')).toBe('secret')
  expect(setup.socket.parameter('cursor')).toBe('e:7')
})

test('the client emits each change of its state once', async () => {
  const setup = await start()
  expect(setup.client.state).toBe('connecting')
  setup.socket.end()
  await setup.clock.advance(1000)
  expect(setup.client.state).toBe('connecting')
  setup.socket.welcome()
  await reconnect(setup)
  setup.socket.welcome()
  setup.client.close()
  expect(setup.events.state).toEqual(['open', 'reconnecting', 'open', 'closed'])
})

test('the client emits each welcome with its presence and without its session', async () => {
  const setup = await start()
  const presence = { lobby: { clients: [{ clientId: 'anna' }, { clientId: 'boris' }], count: 2 } }
  setup.socket.welcome({ active: 2, presence })
  expect(setup.events.welcome).toEqual([{ clientId: 'anna', node: 'n1', recovered: null, active: 2, presence }])
  await reconnect(setup)
  setup.socket.welcome({ node: 'n2' })
  expect(setup.events.welcome.slice(1)).toEqual([
    { clientId: 'anna', node: 'n2', recovered: true, active: undefined, presence: undefined },
  ])
})

test('reconnectNow() connects at once while the client waits, and pings while it is open', async () => {
  const setup = await startOpen()
  setup.client.reconnectNow()
  expect(setup.socket.sent.filter(({ type }) => type === 'ping')).toHaveLength(1)
  setup.socket.end()
  expect(setup.sockets).toHaveLength(1)
  setup.client.reconnectNow()
  await settled()
  expect(setup.sockets).toHaveLength(2)
})

test('the random part of the wait doubles with each attempt, within the bounds', async () => {
  const setup = await start({ minDelayMs: 100, maxDelayMs: 1000 })
  for (const waitMs of [100, 150, 250, 450, 850, 1000, 1000]) {
    setup.socket.end()
    const { length } = setup.sockets
    await setup.clock.advance(waitMs - 1)
    expect(setup.sockets).toHaveLength(length)
    await setup.clock.advance(1)
    expect(setup.sockets).toHaveLength(length + 1)
  }
})

test('each wait lasts at least half of minDelayMs and at most maxDelayMs', async () => {
  const setup = await start({ random: () => 0 })
  for (let attempt = 0; attempt < 10; attempt++) {
    setup.socket.end()
    const { length } = setup.sockets
    await setup.clock.advance(499)
    expect(setup.sockets).toHaveLength(length)
    await setup.clock.advance(1)
    expect(setup.sockets).toHaveLength(length + 1)
  }
  const bounded = await start({ minDelayMs: 5000, maxDelayMs: 800, random: () => 0 })
  bounded.socket.end()
  await bounded.clock.advance(800)
  expect(bounded.sockets).toHaveLength(2)
})

test('a connection that lasted resets the backoff, a short one does not', async () => {
  const setup = await startOpen()
  setup.socket.end()
  await setup.clock.advance(1000)
  setup.socket.welcome()
  setup.socket.end()
  await setup.clock.advance(1499)
  expect(setup.sockets).toHaveLength(2)
  await setup.clock.advance(1)
  setup.socket.welcome()
  await setup.clock.advance(5000)
  setup.socket.end()
  await setup.clock.advance(1000)
  expect(setup.sockets).toHaveLength(4)
})

test.each([1011, 1012, 1013])('after %d the client waits at least 2.5 s before it reconnects', async (code) => {
  const setup = await startOpen({ random: () => 0 })
  setup.socket.end(code)
  await setup.clock.advance(2499)
  expect(setup.sockets).toHaveLength(1)
  await setup.clock.advance(1)
  expect(setup.sockets).toHaveLength(2)
})

test.each([1000, 1003, 1007, 1009, 4001, 4009])(
  'after %d the client does not reconnect, and reports it',
  async (code) => {
    const setup = await startOpen()
    setup.socket.end(code, 'because')
    await setup.clock.advance(1_000_000)
    expect(setup.sockets).toHaveLength(1)
    expect(setup.events.close).toEqual([{ code, reason: 'because' }])
    expect(setup.client.state).toBe('closed')
  },
)

test.each([1001, 1005, 1006, 4008, 4999])('after %d the client reconnects with its cursor', async (code) => {
  const setup = await startOpen()
  setup.socket.receiveMessage(3)
  await reconnect(setup, code)
  expect(setup.socket.parameter('cursor')).toBe('e:3')
})

test('the client calls the token function before each attempt', async () => {
  let count = 0
  const setup = await start({ token: () => Promise.resolve(`token-${++count}`) })
  expect(setup.socket.parameter('token')).toBe('token-1')
  setup.socket.welcome()
  await reconnect(setup)
  expect(setup.socket.parameter('token')).toBe('token-2')
})

test('a client with a token function replaces an expired token and reconnects', async () => {
  const renewable = await startOpen({ token: () => 'fresh' })
  await reconnect(renewable, 1008)
  expect(renewable.client.state).toBe('reconnecting')
  const fixed = await startOpen({ token: 'old' })
  fixed.socket.end(1008)
  expect(fixed.client.state).toBe('closed')
})

test('a client whose fresh token the server rejects closes for good', async () => {
  const setup = await start({ token: () => 'wrong' })
  setup.socket.end(1008, 'unauthorized')
  expect(setup.events.close).toEqual([{ code: 1008, reason: 'unauthorized' }])
})

test('a client reports the error of its token function and calls the function again', async () => {
  let isBroken = true
  const cause = new Error('no network')
  const setup = await start({ token: () => (isBroken ? Promise.reject(cause) : 'fresh') })
  expect(setup.events.error).toHaveLength(1)
  expect(setup.events.error[0]).toMatchObject({ code: 'connect_failed', message: 'no network' })
  expect(setup.events.error[0]?.cause).toBe(cause)
  isBroken = false
  await setup.clock.advance(1000)
  expect(setup.socket.parameter('token')).toBe('fresh')
})

test('the client abandons an attempt that takes too long, even one that waits for its token', async () => {
  const setup = await start({ connectTimeoutMs: 3000 })
  const [first] = setup.sockets
  await setup.clock.advance(3000)
  expect(first?.isTerminated).toBe(true)
  await setup.clock.advance(1000)
  expect(setup.sockets).toHaveLength(2)

  let asked = 0
  const waiting = await start({ connectTimeoutMs: 3000, token: () => (++asked === 1 ? new Promise(() => {}) : 'x') })
  await waiting.clock.advance(4000)
  expect(waiting.sockets).toHaveLength(1)
})

test('the client ignores the events of an abandoned socket', async () => {
  const setup = await startOpen()
  const old = setup.socket
  await setup.clock.advance(50_000)
  expect(old.isTerminated).toBe(true)
  await setup.clock.advance(1000)
  setup.socket.welcome()
  old.receiveMessage(99)
  old.end(4001)
  expect(setup.events.message).toEqual([])
  expect(setup.client.state).toBe('open')
})

test('a client pings after a silent heartbeat interval and reconnects after a second one', async () => {
  const setup = await startOpen()
  await setup.clock.advance(24_999)
  expect(setup.socket.sent).toEqual([])
  await setup.clock.advance(1)
  expect(setup.socket.sent).toEqual([{ type: 'ping' }])
  await setup.clock.advance(24_999)
  expect(setup.client.state).toBe('open')
  await setup.clock.advance(1)
  expect(setup.client.state).toBe('reconnecting')
})

test('any frame that arrives after the ping keeps the connection', async () => {
  const setup = await startOpen()
  await setup.clock.advance(25_000)
  await setup.clock.advance(20_000)
  setup.socket.receiveMessage(1)
  await setup.clock.advance(24_000)
  setup.socket.receive({ type: 'pong', offset: 1 })
  await setup.clock.advance(24_000)
  expect(setup.client.state).toBe('open')
  expect(setup.socket.sentOf('ping')).toHaveLength(1)
})

test('a client that receives only periodic messages pings and moves its cursor with the pong', async () => {
  const setup = await startOpen()
  for (let i = 0; i < 3; i++) {
    await setup.clock.advance(10_000)
    setup.socket.receive({ type: 'periodic', at: '', active: 1, uptimeSeconds: 1, text: '' })
  }
  expect(setup.socket.sentOf('ping')).toHaveLength(1)
  setup.socket.receive({ type: 'pong', offset: 500 })
  await reconnect(setup)
  expect(setup.socket.parameter('cursor')).toBe('e:500')
})

test('the client reconnects at once when the network is available again', async () => {
  const page = new EventTarget()
  vi.stubGlobal('addEventListener', page.addEventListener.bind(page))
  vi.stubGlobal('removeEventListener', page.removeEventListener.bind(page))
  const setup = await startOpen()
  setup.socket.end()
  expect(setup.sockets).toHaveLength(1)
  page.dispatchEvent(new Event('online'))
  await settled()
  expect(setup.sockets).toHaveLength(2)
  setup.client.close()
  page.dispatchEvent(new Event('online'))
  await settled()
  expect(setup.sockets).toHaveLength(2)
  vi.unstubAllGlobals()
})

test('a client whose page becomes visible again detects a dead connection within the timeout of an attempt', async () => {
  const page = Object.assign(new EventTarget(), { visibilityState: 'visible' })
  vi.stubGlobal('document', page)
  const setup = await startOpen({ connectTimeoutMs: 3000 })
  page.dispatchEvent(new Event('visibilitychange'))
  expect(setup.socket.sent).toEqual([{ type: 'ping' }])
  await setup.clock.advance(2999)
  expect(setup.client.state).toBe('open')
  await setup.clock.advance(1)
  expect(setup.client.state).toBe('reconnecting')
  vi.unstubAllGlobals()
})

test('close() sends a close frame and stops all timers, and the client stays closed', async () => {
  const setup = await startOpen()
  const { socket } = setup
  setup.client.close()
  setup.client.close()
  expect(socket.closedWith).toBe(1000)
  expect(setup.events.close).toEqual([{ code: 1000, reason: '' }])
  socket.end(1000)
  expect(setup.clock.pending).toBe(0)
  socket.receiveMessage(1)
  expect(setup.events.message).toEqual([])
})

test('a client that closes before its welcome leaves no socket and no timer', async () => {
  const setup = await start()
  setup.client.close()
  expect(setup.socket.closedWith).toBe(1000)
  setup.socket.end(1006)
  expect(setup.clock.pending).toBe(0)

  const unborn = connect('ws://server/ws', { webSocket: fakeWebSockets().WebSocket })
  unborn.close()
  await settled()
  expect(unborn.state).toBe('closed')
})

test('the client emits a move when another instance accepts it', async () => {
  const setup = await startOpen()
  await reconnect(setup)
  setup.socket.welcome({ node: 'n2' })
  expect(setup.events.move).toEqual([{ from: 'n1', to: 'n2' }])
})

test.each(['cut off', 'given up'])(
  'a client reconnects when its own attempt, %s before, reaches the server late and takes over',
  async (how) => {
    const setup = await startOpen()
    setup.socket.end()
    await setup.clock.advance(1000)
    const abandoned = setup.socket
    if (how === 'cut off') abandoned.end()
    else await setup.clock.advance(10_000)
    await setup.clock.advance(2000)
    expect(setup.socket).not.toBe(abandoned)
    setup.socket.welcome({ recovered: true })
    // A proxy delayed the handshake of the abandoned attempt, and the server accepts that attempt only now.
    setup.socket.end(4001)
    expect(setup.client.state).toBe('reconnecting')
    await setup.clock.advance(8000)
    setup.socket.welcome({ recovered: true })
    // The client explained one takeover by its own attempt. A second takeover comes from another client.
    setup.socket.end(4001)
    expect(setup.client.state).toBe('closed')
  },
)

/** A client that has just abandoned an attempt. */
async function startAfterAbandoned(): Promise<Setup> {
  const setup = await startOpen()
  setup.socket.end()
  await setup.clock.advance(1000)
  setup.socket.end()
  await setup.clock.advance(2000)
  setup.socket.welcome({ recovered: true })
  return setup
}

test('a client that abandoned an attempt long ago closes when another client takes over', async () => {
  const { client, clock, socket } = await startAfterAbandoned()
  for (let second = 0; second < 31; second++) {
    await clock.advance(1000)
    socket.receive({ type: 'message', channel: 'lobby', from: 'ann', data: null, offset: second + 1, at: '' })
  }
  // The client pings although entries arrive: a 4001 caused by the abandoned attempt arrives before this ping's pong.
  expect(socket.sentOf('ping')).toHaveLength(1)
  socket.receive({ type: 'pong', offset: 31 })
  socket.end(4001)
  expect(client.state).toBe('closed')
})

test('a client that reads the takeover by its own attempt much later reconnects', async () => {
  const { client, clock, socket } = await startAfterAbandoned()
  await clock.advance(20_000)
  socket.receive({ type: 'pong', offset: 0 })
  // A suspended page reads the close frame only when it resumes.
  await clock.advance(20_000)
  socket.end(4001)
  expect(client.state).toBe('reconnecting')
})
