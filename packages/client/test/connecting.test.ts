/**
 * How the client comes to the server and comes back: what it says in the handshake, when it tries, when it gives up.
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

test('an http URL is taken for its WebSocket, and its own query stays', async () => {
  const { sockets, WebSocket } = fakeWebSockets()
  const client = connect('https://server/here/ws/?region=eu', { webSocket: WebSocket, clientId: 'anna' })
  await settled()
  expect(sockets[0]?.url.href).toBe('wss://server/here/ws/anna?region=eu')
  client.close()
})

test('without a WebSocket anywhere it says which option is missing', () => {
  vi.stubGlobal('WebSocket', undefined)
  expect(() => connect('ws://server/ws')).toThrow('webSocket')
  vi.unstubAllGlobals()
})

test('a reconnect names the same client and position: name, session, cursor', async () => {
  const setup = await startOpen()
  setup.socket.hear(7)
  await reconnect(setup)
  expect(setup.socket.url.pathname).toBe('/ws/anna')
  expect(setup.socket.parameter('session')).toBe('secret')
  expect(setup.socket.parameter('cursor')).toBe('e:7')
})

test('the states are told, each once', async () => {
  const setup = await start()
  expect(setup.client.state).toBe('connecting')
  setup.socket.end()
  await setup.clock.advance(1000)
  expect(setup.client.state).toBe('connecting')
  setup.socket.welcome()
  await reconnect(setup)
  setup.socket.welcome()
  setup.client.close()
  expect(setup.told.state).toEqual(['open', 'reconnecting', 'open', 'closed'])
})

test('each welcome is reported with the presence that it carries, and without the session', async () => {
  const setup = await start()
  const presence = { lobby: { clients: [{ clientId: 'anna' }, { clientId: 'boris' }], count: 2 } }
  setup.socket.welcome({ active: 2, presence })
  expect(setup.told.welcome).toEqual([{ clientId: 'anna', node: 'n1', recovered: null, active: 2, presence }])
  await reconnect(setup)
  setup.socket.welcome({ node: 'n2' })
  expect(setup.told.welcome.slice(1)).toEqual([
    { clientId: 'anna', node: 'n2', recovered: true, active: undefined, presence: undefined },
  ])
})

test('an application that does not want to wait reconnects at once, and checks a connection that is open', async () => {
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

test('each wait is at least half of minDelayMs, and never more than maxDelayMs', async () => {
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

test('a connection that lasted is not held against the server, one that did not is', async () => {
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

test.each([1011, 1012, 1013])('after %d it takes its time', async (code) => {
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
    expect(setup.told.close).toEqual([{ code, reason: 'because' }])
    expect(setup.client.state).toBe('closed')
  },
)

test.each([1001, 1005, 1006, 4008, 4999])('after %d the client reconnects with its cursor', async (code) => {
  const setup = await startOpen()
  setup.socket.hear(3)
  await reconnect(setup, code)
  expect(setup.socket.parameter('cursor')).toBe('e:3')
})

test('a fresh token is got for each attempt', async () => {
  let count = 0
  const setup = await start({ token: () => Promise.resolve(`token-${++count}`) })
  expect(setup.socket.parameter('token')).toBe('token-1')
  setup.socket.welcome()
  await reconnect(setup)
  expect(setup.socket.parameter('token')).toBe('token-2')
})

test('an expired token is replaced if there is a way to get another', async () => {
  const renewable = await startOpen({ token: () => 'fresh' })
  await reconnect(renewable, 1008)
  expect(renewable.client.state).toBe('reconnecting')
  const fixed = await startOpen({ token: 'old' })
  fixed.socket.end(1008)
  expect(fixed.client.state).toBe('closed')
})

test('a fresh token that is not taken is the end', async () => {
  const setup = await start({ token: () => 'wrong' })
  setup.socket.end(1008, 'unauthorized')
  expect(setup.told.close).toEqual([{ code: 1008, reason: 'unauthorized' }])
})

test('a failing token function is reported, and called again', async () => {
  let isBroken = true
  const cause = new Error('no network')
  const setup = await start({ token: () => (isBroken ? Promise.reject(cause) : 'fresh') })
  expect(setup.told.error).toHaveLength(1)
  expect(setup.told.error[0]).toMatchObject({ code: 'connect_failed', message: 'no network' })
  expect(setup.told.error[0]?.cause).toBe(cause)
  isBroken = false
  await setup.clock.advance(1000)
  expect(setup.socket.parameter('token')).toBe('fresh')
})

test('an attempt that leads to nothing is given up, even one that waits for its token', async () => {
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
  old.hear(99)
  old.end(4001)
  expect(setup.told.message).toEqual([])
  expect(setup.client.state).toBe('open')
})

test('silence is asked about after a heartbeat, and taken for the end after another', async () => {
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

test('any frame after the ping proves that the connection is alive', async () => {
  const setup = await startOpen()
  await setup.clock.advance(25_000)
  await setup.clock.advance(20_000)
  setup.socket.hear(1)
  await setup.clock.advance(24_000)
  setup.socket.say({ type: 'pong', offset: 1 })
  await setup.clock.advance(24_000)
  expect(setup.client.state).toBe('open')
  expect(setup.socket.sentOf('ping')).toHaveLength(1)
})

test('a client that receives only periodic messages still learns the position of the journal', async () => {
  const setup = await startOpen()
  for (let i = 0; i < 3; i++) {
    await setup.clock.advance(10_000)
    setup.socket.say({ type: 'periodic', at: '', active: 1, uptimeSeconds: 1, text: '' })
  }
  expect(setup.socket.sentOf('ping')).toHaveLength(1)
  setup.socket.say({ type: 'pong', offset: 500 })
  await reconnect(setup)
  expect(setup.socket.parameter('cursor')).toBe('e:500')
})

test('when the network comes back it tries at once', async () => {
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

test('when the page is looked at again a connection that has died is found within the time of an attempt', async () => {
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

test('close sends a close frame, ends the timers and is final', async () => {
  const setup = await startOpen()
  const { socket } = setup
  setup.client.close()
  setup.client.close()
  expect(socket.closedWith).toBe(1000)
  expect(setup.told.close).toEqual([{ code: 1000, reason: '' }])
  socket.end(1000)
  expect(setup.clock.pending).toBe(0)
  socket.hear(1)
  expect(setup.told.message).toEqual([])
})

test('a client that is closed before its welcome leaves nothing behind', async () => {
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

test('that another instance serves it is told', async () => {
  const setup = await startOpen()
  await reconnect(setup)
  setup.socket.welcome({ node: 'n2' })
  expect(setup.told.move).toEqual([{ from: 'n1', to: 'n2' }])
})

test.each(['cut off', 'given up'])(
  'an attempt that was %s and reaches the server late takes over: it comes back',
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
    // A proxy had kept the handshake of the other one, and only now has the server let it in.
    setup.socket.end(4001)
    expect(setup.client.state).toBe('reconnecting')
    await setup.clock.advance(8000)
    setup.socket.welcome({ recovered: true })
    // Once is enough: this is somebody else.
    setup.socket.end(4001)
    expect(setup.client.state).toBe('closed')
  },
)

/** A client with an attempt that came to nothing just now. */
async function startAfterAbandoned(): Promise<Setup> {
  const setup = await startOpen()
  setup.socket.end()
  await setup.clock.advance(1000)
  setup.socket.end()
  await setup.clock.advance(2000)
  setup.socket.welcome({ recovered: true })
  return setup
}

test('an attempt that has come to nothing long ago does not make somebody else’s takeover its own', async () => {
  const { client, clock, socket } = await startAfterAbandoned()
  for (let second = 0; second < 31; second++) {
    await clock.advance(1000)
    socket.say({ type: 'message', channel: 'lobby', from: 'ann', data: null, offset: second + 1, at: '' })
  }
  // However much there is to hear, it asks: whatever its own attempt has done is told before the answer.
  expect(socket.sentOf('ping')).toHaveLength(1)
  socket.say({ type: 'pong', offset: 31 })
  socket.end(4001)
  expect(client.state).toBe('closed')
})

test('that its own attempt took over may be read much later: it comes back', async () => {
  const { client, clock, socket } = await startAfterAbandoned()
  await clock.advance(20_000)
  socket.say({ type: 'pong', offset: 0 })
  // A page that sleeps reads when it wakes up.
  await clock.advance(20_000)
  socket.end(4001)
  expect(client.state).toBe('reconnecting')
})
