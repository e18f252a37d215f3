/**
 * The client explains its state: why it is not connected, when it tries again, and why the server refused a message. It
 * also obeys the server's hints about the time of a return.
 */
import { expect, test } from 'vitest'
import type { ClientState, ConnectionDetails } from '../src/index.js'
import { reconnect, start, startOpen, type Setup } from './support/setup.js'

/** Records each state with its reason, its attempt and its time. */
function explained({ client }: Setup): [ClientState, ConnectionDetails][] {
  const states: [ClientState, ConnectionDetails][] = []
  client.on('state', (state, details) => void states.push([state, details]))
  return states
}

test('a state event carries its reason, the number of the next attempt and its time', async () => {
  const setup = await startOpen()
  const states = explained(setup)
  setup.socket.end(1001, 'the server is shutting down')
  await setup.clock.advance(1000)
  setup.socket.welcome()
  setup.socket.end(4009, 'the name is in use')
  const reason = 'the server is shutting down'
  expect(states).toEqual([
    ['reconnecting', { code: 1001, reason, attempt: 1, nextAttemptInMs: 1000 }],
    ['open', { code: undefined, reason: '', attempt: 1, nextAttemptInMs: undefined }],
    ['closed', { code: 4009, reason: 'the name is in use', attempt: 1, nextAttemptInMs: undefined }],
  ])
})

test('the client emits an error with the socket’s error for each failed attempt', async () => {
  const setup = await start()
  setup.socket.onerror?.({ message: 'Unexpected server response: 404' })
  setup.socket.end(1006)
  await setup.clock.advance(1000)
  setup.socket.end(1013, 'too many connections')
  await setup.clock.advance(4500)
  await setup.clock.advance(10_000)
  expect(setup.events.error.map(({ code, message }) => [code, message])).toEqual([
    ['connect_failed', 'Unexpected server response: 404'],
    ['connect_failed', 'too many connections'],
    ['connect_failed', 'the server does not answer'],
  ])
  expect(setup.events.error.map(({ details }) => details?.attempt)).toEqual([1, 2, 3])
  expect(setup.events.state).toEqual([])
})

test('after a close by the server, rejections carry its code and its reason', async () => {
  const setup = await startOpen()
  const sent = setup.client.publish(1)
  setup.socket.end(1008, 'the token has expired')
  const details = { code: 1008, reason: 'the token has expired', nextAttemptInMs: undefined }
  await expect(sent).rejects.toMatchObject({ code: 'outcome_unknown', details })
  const later = setup.client.publish(2)
  await expect(later).rejects.toMatchObject({ code: 'closed', details })
  await expect(later).rejects.toThrow('1008 the token has expired')
})

test('the client emits one throttled event per wait for the rate limit', async () => {
  const { client, socket, events, clock } = await startOpen()
  for (const id of ['a', 'b']) void client.publish(id, { id }).catch(() => undefined)
  const refusal = { type: 'error', message: '', temporary: true } as const
  socket.receive({ ...refusal, code: 'rate_limited', id: 'a', retryInMs: 900 })
  socket.receive({ ...refusal, code: 'out_of_order', id: 'b' })
  expect(events.throttled).toEqual([{ code: 'rate_limited', retryInMs: 900 }])
  await clock.advance(900)
  expect(socket.sentOf('message').map(({ id }) => id)).toEqual(['a', 'b', 'a'])
})

const closing = { type: 'shutdown', phase: 'closing', deadlineInMs: 0, leaveInMs: 0, remaining: 1, text: '' } as const

test('a client returns at the time that a stopping server names, and backs off after that', async () => {
  const setup = await startOpen()
  setup.socket.receive({ ...closing, returnInMs: 7300 })
  setup.socket.end(1012)
  await setup.clock.advance(7299)
  expect(setup.sockets).toHaveLength(1)
  await setup.clock.advance(1)
  expect(setup.sockets).toHaveLength(2)
  setup.socket.end(1006)
  await setup.clock.advance(1500)
  expect(setup.sockets).toHaveLength(3)
})

test('a client returns at the time that a server with a replaced journal names, and reports the loss', async () => {
  const setup = await startOpen()
  setup.socket.receive({ type: 'closing', code: 4010, reason: 'replaced', returnInMs: 6400 })
  setup.socket.end(4010, 'replaced')
  expect(setup.client.state).toBe('reconnecting')
  await setup.clock.advance(6399)
  expect(setup.sockets).toHaveLength(1)
  await setup.clock.advance(1)
  expect(setup.sockets).toHaveLength(2)
  setup.socket.welcome({ cursor: 'other:3', recovered: false })
  expect(setup.events.recovered).toMatchObject([{ recovered: false }])
})

test('the client obeys the last hint, and no hint after the shutdown was cancelled', async () => {
  const setup = await startOpen()
  setup.socket.receive({ ...closing, returnInMs: 50_000 })
  setup.socket.receive({ ...closing, returnInMs: 20 })
  setup.socket.end(1001)
  await setup.clock.advance(20)
  expect(setup.sockets).toHaveLength(2)
  setup.socket.welcome()
  await setup.clock.advance(5000)
  setup.socket.receive({ ...closing, returnInMs: 50_000 })
  setup.socket.receive({ type: 'shutdownCancelled', text: '' })
  setup.socket.end(1001)
  await setup.clock.advance(1000)
  expect(setup.sockets).toHaveLength(3)
})

test('the client bounds hints: it pauses after a second hint of 0, and returns within ten minutes of any hint', async () => {
  const setup = await startOpen()
  for (let round = 0; round < 5; round++) {
    setup.socket.receive({ ...closing, returnInMs: 0 })
    setup.socket.end(1001)
    await setup.clock.advance(round === 0 ? 0 : 499)
    expect(setup.sockets).toHaveLength(round === 0 ? 2 : 1 + round)
    await setup.clock.advance(1)
    expect(setup.sockets).toHaveLength(2 + round)
    setup.socket.welcome()
  }
  setup.socket.receive({ ...closing, returnInMs: Number.MAX_SAFE_INTEGER })
  setup.socket.end(1001)
  const { length } = setup.sockets
  await setup.clock.advance(600_000)
  expect(setup.sockets).toHaveLength(length + 1)
})

test.each([4009, 1013, 1008])(
  'a client reconnects after a rejection with %d that names a time for the next attempt',
  async (code) => {
    const setup = await start()
    setup.socket.receive({ type: 'rejected', code, reason: 'not now', retryInMs: 5000 })
    setup.socket.end(code, 'not now')
    expect(setup.events.error).toMatchObject([{ code: 'connect_failed', details: { code, nextAttemptInMs: 5000 } }])
    await setup.clock.advance(5000)
    expect(setup.sockets).toHaveLength(2)
    setup.socket.welcome()
    expect(setup.client.state).toBe('open')
  },
)

test('a client follows the close code of a rejection that names no time', async () => {
  const setup = await start()
  setup.socket.receive({ type: 'rejected', code: 4009, reason: 'in use' })
  setup.socket.end(4009, 'in use')
  expect(setup.events.close).toEqual([{ code: 4009, reason: 'in use' }])
})

test('the client resumes with the cursor of the last frame, whatever its format', async () => {
  const setup = await start()
  setup.socket.welcome({ cursor: 'v2.c2hhcmRz', recovered: null })
  await reconnect(setup)
  expect(setup.socket.parameter('cursor')).toBe('v2.c2hhcmRz')
  setup.socket.welcome({ recovered: true })
  setup.socket.receive({ type: 'pong', offset: 4, cursor: 'v2.bW9yZQ~!' })
  await reconnect(setup)
  expect(setup.socket.parameter('cursor')).toBe('v2.bW9yZQ~!')
  setup.socket.welcome({ recovered: true })
  // A frame with an offset and no cursor does not change a cursor of an unknown format.
  setup.socket.receiveMessage(9)
  setup.socket.receiveMessage(4)
  await reconnect(setup)
  expect(setup.socket.parameter('cursor')).toBe('v2.bW9yZQ~!')
  expect(setup.events.message.map(({ offset }) => offset)).toEqual([9])
})

test('the client resumes with the cursor of `subscribed`, and sends its latest cursor as `since`', async () => {
  const setup = await start()
  setup.socket.welcome({ cursor: '<one>', recovered: null })
  setup.client.subscribe('news')
  const [request] = setup.socket.sentOf('subscribe')
  expect(request).toMatchObject({ since: '<one>' })
  const id = request?.['id'] as string
  setup.socket.receive({ type: 'subscribed', id, channels: ['news'], cursor: '<two>', recovered: true })
  await reconnect(setup)
  expect(setup.socket.parameter('cursor')).toBe('<two>')
})
