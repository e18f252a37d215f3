/**
 * The client delivers each entry to the application once and in order, and reports a loss.
 */
import { expect, test } from 'vitest'
import { ClientError, connect, type ChannelMessage, type SavedState, type Store } from '../src/index.js'
import { settled } from './support/fake-clock.js'
import { fakeWebSockets } from './support/fake-socket.js'
import { reconnect, start, startOpen } from './support/setup.js'

const dataOf = (messages: readonly { readonly data: unknown }[]): unknown[] => messages.map(({ data }) => data)

test('the client emits an event of the same name for every message of the server', async () => {
  const { socket, events } = await startOpen()
  const at = '2024-01-01T00:00:00.000Z'
  const change = { channel: 'lobby', joined: ['boris'], left: [], joinedCount: 1, leftCount: 0, count: 2 }
  socket.receiveMessage(1)
  socket.receive({ type: 'direct', from: 'boris', data: 2, offset: 2, at })
  socket.receive({ type: 'presence', changes: [change], offset: 3, text: '' })
  socket.receive({ type: 'periodic', at, active: 1, uptimeSeconds: 1, text: '' })
  socket.receive({ type: 'shutdown', phase: 'warning', deadlineInMs: 1, leaveInMs: 1, remaining: 1, text: '' })
  socket.receive({ type: 'shutdownCancelled', text: '' })
  const { message, direct, presence: presences, periodic, shutdown, shutdownCancelled } = events
  for (const one of [message, direct, presences, periodic, shutdown, shutdownCancelled]) expect(one).toHaveLength(1)
  expect(events.error).toEqual([])
})

test('the client does not deliver an entry twice', async () => {
  const { socket, events } = await startOpen()
  for (const offset of [1, 2, 2, 1, 3]) socket.receiveMessage(offset)
  expect(dataOf(events.message)).toEqual([1, 2, 3])
})

test('the client ignores types and fields of a newer server', async () => {
  const { socket, events } = await startOpen()
  socket.receiveText('{"type":"fireworks","offset":9}')
  socket.receiveText('{"type":"message","channel":"lobby","from":"b","data":1,"offset":1,"at":"","colour":"red"}')
  expect(dataOf(events.message)).toEqual([1])
  expect(events.error).toEqual([])
})

test.each(['not JSON', 'null', '5', ''])(
  'the client reports a frame that is no message and continues: %j',
  async (text) => {
    const { socket, events, client } = await startOpen()
    socket.receiveText(text)
    expect(events.error).toMatchObject([{ code: 'bad_frame' }])
    expect(client.state).toBe('open')
  },
)

test('the client delivers no message before the welcome', async () => {
  const { socket, events } = await start()
  socket.receiveMessage(1)
  expect(events.message).toEqual([])
})

test('the client reports each recovery and each loss once', async () => {
  const setup = await startOpen({ channels: ['news'] })
  expect(setup.events.recovered).toEqual([])
  await reconnect(setup)
  setup.socket.welcome()
  expect(setup.events.recovered).toEqual([{ recovered: true, channels: ['lobby', 'news'] }])
  await reconnect(setup)
  setup.socket.welcome({ recovered: false, cursor: 'f:9' })
  setup.socket.receiveMessage(10)
  expect(setup.events.recovered.slice(1)).toEqual([{ recovered: false, channels: ['lobby', 'news'] }])
})

test('after a loss the client follows the offsets of the new journal', async () => {
  const setup = await startOpen()
  setup.socket.receiveMessage(100)
  await reconnect(setup)
  setup.socket.welcome({ recovered: false, cursor: 'f:3' })
  for (const offset of [3, 4, 4, 5]) setup.socket.receiveMessage(offset)
  expect(dataOf(setup.events.message)).toEqual([100, 4, 5])
  await reconnect(setup)
  expect(setup.socket.parameter('cursor')).toBe('f:5')
})

test('the client continues after an exception of a handler, and the runtime reports the exception', async () => {
  const thrown: unknown[] = []
  const onThrown = (error: unknown): void => void thrown.push(error)
  const listeners = process.listeners('uncaughtException')
  process.removeAllListeners('uncaughtException').on('uncaughtException', onThrown)
  try {
    const { client, socket, events } = await startOpen()
    const error = new Error('a defect of the application')
    client.on('message', () => {
      throw error
    })
    socket.receiveMessage(1)
    socket.receiveMessage(2)
    await settled()
    expect(dataOf(events.message)).toEqual([1, 2])
    expect(thrown).toEqual([error, error])
  } finally {
    process.off('uncaughtException', onThrown)
    for (const listener of listeners) process.on('uncaughtException', listener)
  }
})

test('a handler may call the client again, and the client handles that call after the current event', async () => {
  const { client, socket, events } = await startOpen()
  client.on('message', ({ offset }) => {
    if (offset === 1) client.close()
  })
  socket.receiveMessage(1)
  socket.receiveMessage(2)
  expect(dataOf(events.message)).toEqual([1])
})

test('the client does not call a handler that was removed', async () => {
  const { client, socket } = await startOpen()
  const received: number[] = []
  const off = client.on('message', ({ offset }) => void received.push(offset))
  socket.receiveMessage(1)
  off()
  socket.receiveMessage(2)
  expect(received).toEqual([1])
})

// ——— subscriptions

test('the client names a channel in the handshake if the application subscribes before it', async () => {
  const { sockets, WebSocket } = fakeWebSockets()
  const client = connect('ws://server/ws', { webSocket: WebSocket })
  client.subscribe('news')
  await settled()
  expect(sockets[0]?.parameter('channels')).toBe('news')
  client.close()
})

test('a subscription sends the client’s cursor as `since`', async () => {
  const { client, socket } = await startOpen()
  socket.receiveMessage(4)
  client.subscribe('news')
  expect(socket.sent).toMatchObject([{ type: 'subscribe', channels: ['news'], since: 'e:4' }])
})

test('a subscription during the handshake starts at the cursor of the welcome', async () => {
  const { client, socket } = await start()
  client.subscribe('news')
  client.subscribe('games')
  socket.welcome({ cursor: 'e:7' })
  expect(socket.sent).toMatchObject([
    { type: 'subscribe', channels: ['news'], since: 'e:7' },
    { type: 'subscribe', channels: ['games'], since: 'e:7' },
  ])
})

test('the client delivers the replay of a subscription once and in order, although its cursor is ahead', async () => {
  const { client, socket } = await startOpen()
  const received: unknown[] = []
  socket.receiveMessage(4)
  client.subscribe('news', ({ data }) => void received.push(data))
  socket.receiveMessage(9)
  for (const offset of [5, 6, 6, 7]) socket.receiveMessage(offset, offset, 'news')
  const { id } = socket.sent[0] as { id: string }
  socket.receive({ type: 'subscribed', id, channels: ['news'], recovered: true, cursor: 'e:0' })
  for (const offset of [7, 10]) socket.receiveMessage(offset, offset, 'news')
  expect(received).toEqual([5, 6, 7, 10])
})

test('a client that loses the connection before the answer requests the missing entries again', async () => {
  const setup = await startOpen({ channels: ['games'] })
  setup.client.subscribe('news')
  setup.socket.receiveMessage(1, 1, 'news')
  setup.socket.receiveMessage(5)
  await reconnect(setup)
  expect(setup.socket.parameter('channels')).toBe('games')
  setup.socket.welcome()
  expect(setup.socket.sent).toMatchObject([{ type: 'subscribe', channels: ['news'], since: 'e:1' }])
})

test('the client resumes an acknowledged subscription in the handshake with all others', async () => {
  const setup = await startOpen()
  setup.client.subscribe('news')
  const { id } = setup.socket.sent[0] as { id: string }
  setup.socket.receive({ type: 'subscribed', id, channels: ['news'], recovered: true, cursor: 'e:0' })
  await reconnect(setup)
  expect(setup.socket.parameter('channels')).toBe('news')
  setup.socket.welcome()
  expect(setup.socket.sent).toEqual([])
})

test('the client reports an evicted history for that channel', async () => {
  const { client, socket, events } = await startOpen()
  client.subscribe('news')
  const { id } = socket.sent[0] as { id: string }
  socket.receive({ type: 'subscribed', id, channels: ['news'], recovered: false, cursor: 'e:0' })
  expect(events.recovered).toEqual([{ recovered: false, channels: ['news'] }])
})

test('the client unsubscribes from a channel when its last subscription ends, and not before', async () => {
  const { client, socket } = await startOpen({ channels: ['news'] })
  const [one, two] = [client.subscribe('games'), client.subscribe('games')]
  const { id } = socket.sent[0] as { id: string }
  socket.receive({ type: 'subscribed', id, channels: ['games'], recovered: true, cursor: 'e:0' })
  one.unsubscribe()
  expect(socket.sentOf('unsubscribe')).toEqual([])
  two.unsubscribe()
  two.unsubscribe()
  expect(socket.sentOf('unsubscribe')).toMatchObject([{ channels: ['games'] }])
  client.subscribe('news').unsubscribe()
  client.subscribe('lobby').unsubscribe()
  expect(socket.sent).toHaveLength(2)
})

test('the client does not unsubscribe from a channel before the server answers its messages to that channel', async () => {
  const { client, socket } = await startOpen()
  const news = client.subscribe('news')
  const { id } = socket.sent[0] as { id: string }
  void client.publish(1, { channel: 'news', id: 'm' }).catch(() => undefined)
  expect(socket.sentOf('message')).toEqual([])
  news.unsubscribe()
  socket.receive({ type: 'subscribed', id, channels: ['news'], recovered: true, cursor: 'e:0' })
  expect(socket.sentOf('message')).toHaveLength(1)
  expect(socket.sentOf('unsubscribe')).toEqual([])
  socket.receive({ type: 'ack', id: 'm', offset: 1 })
  expect(socket.sentOf('unsubscribe')).toHaveLength(1)
})

test('a refused channel does not affect the others', async () => {
  const { client, socket, events } = await start()
  client.subscribe('open')
  const secret = client.subscribe('secret')
  socket.welcome()
  const [open, other] = socket.sent as { id: string }[]
  const forbidden = new ClientError('forbidden', 'no')
  socket.receive({ type: 'error', code: 'forbidden', message: 'no', temporary: false, id: other?.id as string })
  socket.receive({ type: 'subscribed', id: open?.id as string, channels: ['open'], recovered: true, cursor: 'e:0' })
  socket.receiveMessage(3, 'received', 'open')
  expect(events.error).toEqual([forbidden])
  expect(dataOf(events.message)).toEqual(['received'])
  await expect(secret[Symbol.asyncIterator]().next()).rejects.toEqual(forbidden)
})

test('a channel that is left and subscribed again while the rate limit blocks the client starts from there', async () => {
  const { client, socket, clock } = await startOpen({ channels: ['games'] })
  const news = client.subscribe('news')
  const idOf = (type: string): string => (socket.sentOf(type).at(-1) as { id: string }).id
  socket.receive({ type: 'subscribed', id: idOf('subscribe'), channels: ['news'], recovered: true, cursor: 'e:0' })
  news.unsubscribe()
  void client.publish(1, { id: 'm1' }).catch(() => undefined)
  socket.receive({ type: 'error', code: 'rate_limited', message: '', temporary: true, id: 'm1', retryInMs: 500 })
  socket.receive({ type: 'unsubscribed', id: idOf('unsubscribe'), channels: ['news'], recovered: null, cursor: 'e:0' })
  socket.receiveMessage(7)
  client.subscribe('news')
  await clock.advance(500)
  expect(socket.sentOf('subscribe')[1]).toMatchObject({ channels: ['news'], since: 'e:7' })
})

test('a temporarily refused unsubscribe is dropped if the application subscribes again meanwhile', async () => {
  const setup = await startOpen()
  const news = setup.client.subscribe('news')
  const { socket, clock } = setup
  const idOf = (type: string): string => (socket.sentOf(type).at(-1) as { id: string }).id
  socket.receive({ type: 'subscribed', id: idOf('subscribe'), channels: ['news'], recovered: true, cursor: 'e:0' })
  news.unsubscribe()
  setup.client.subscribe('news')
  const refusal = { type: 'error', code: 'rate_limited', message: '', temporary: true, retryInMs: 500 } as const
  socket.receive({ ...refusal, id: idOf('unsubscribe') })
  await clock.advance(500)
  expect(socket.sentOf('subscribe')).toHaveLength(1)
  await reconnect(setup)
  expect(setup.socket.parameter('channels')).toBe('news')
})

test('the client retries a subscription that the server refuses temporarily', async () => {
  const { client, socket, clock } = await startOpen()
  client.subscribe('news')
  const { id } = socket.sent[0] as { id: string }
  socket.receive({ type: 'error', code: 'rate_limited', message: '', temporary: true, id, retryInMs: 500 })
  await clock.advance(499)
  expect(socket.sent).toHaveLength(1)
  await clock.advance(1)
  expect(socket.sent).toHaveLength(2)
})

test.each(['', 'a,b', 'ж', 'x'.repeat(65)])(
  'subscribe throws on a name that would break the handshake: %j',
  async (channel) => {
    const { client } = await startOpen()
    expect(() => client.subscribe(channel)).toThrow(TypeError)
  },
)

// ——— waiting for messages one after the other

async function take(messages: AsyncIterable<ChannelMessage>, count: number): Promise<unknown[]> {
  const taken: unknown[] = []
  for await (const { data } of messages) {
    taken.push(data)
    if (taken.length === count) break
  }
  return taken
}

test('a loop receives the messages since the subscription, then new ones, and leaving it unsubscribes', async () => {
  const { client, socket } = await startOpen({ channels: ['news'] })
  const news = client.subscribe('news')
  socket.receiveMessage(1, 1, 'news')
  socket.receiveMessage(2, 2, 'news')
  const taken = take(news, 3)
  await settled()
  socket.receiveMessage(3, 3, 'news')
  socket.receiveMessage(4, 4, 'news')
  await expect(taken).resolves.toEqual([1, 2, 3])
})

test('a loop beside a handler receives the messages that arrive after its start', async () => {
  const { client, socket } = await startOpen({ channels: ['news'] })
  const handled: unknown[] = []
  const news = client.subscribe('news', ({ data }) => void handled.push(data))
  socket.receiveMessage(1, 1, 'news')
  const taken = take(news, 1)
  socket.receiveMessage(2, 2, 'news')
  await expect(taken).resolves.toEqual([2])
  expect(handled).toEqual([1, 2])
})

test('a loop ends with its subscription and with the client', async () => {
  const { client } = await startOpen({ channels: ['news', 'games'] })
  const news = client.subscribe('news')
  const taken = Promise.all([take(news, 1), take(client.subscribe('games'), 1)])
  await settled()
  news.unsubscribe()
  client.close()
  await expect(taken).resolves.toEqual([[], []])
  await expect(take(client.subscribe('news'), 1)).resolves.toEqual([])
})

test('a loop that is too slow gets an error after the buffered messages', async () => {
  const { client, socket } = await startOpen({ maxBuffer: 2 })
  const lobby = client.subscribe('lobby')
  for (const offset of [1, 2, 3, 4]) socket.receiveMessage(offset)
  const taken: unknown[] = []
  const loop = (async () => {
    for await (const { data } of lobby) taken.push(data)
  })()
  await expect(loop).rejects.toMatchObject({ code: 'buffer_full' })
  expect(taken).toEqual([1, 2])
})

// ——— the store

function memory(state?: SavedState): Store & { state: SavedState | undefined; saves: number } {
  return {
    state,
    saves: 0,
    load() {
      return this.state
    },
    save(next) {
      this.state = next
      this.saves++
    },
  }
}

test('a client that is created again with the same store has the same name and position', async () => {
  const store = memory()
  const first = await startOpen({ store })
  first.socket.receiveMessage(5)
  first.client.close()
  await settled()
  const second = await start({ store, channels: ['news'] })
  expect(second.socket.url.pathname).toBe('/ws/anna')
  expect(second.socket.parameter('session')).toBe('secret')
  expect(second.socket.parameter('cursor')).toBe('e:5')
  expect(second.socket.parameter('channels')).toBe('news')
  second.socket.welcome()
  expect(second.events.recovered).toEqual([{ recovered: true, channels: ['lobby', 'news'] }])
})

test('the client ignores a stored state of another name', async () => {
  const store = memory({ clientId: 'boris', session: 's', cursor: 'e:5' })
  const { socket } = await start({ store, clientId: 'anna' })
  expect(socket.url.pathname).toBe('/ws/anna')
  expect(socket.parameter('cursor')).toBeNull()
})

test('the client saves its state at once after the welcome, then at most once per second', async () => {
  const store = memory()
  const { socket, clock } = await startOpen({ store })
  await clock.advance(0)
  expect(store).toMatchObject({ saves: 1, state: { clientId: 'anna', session: 'secret', cursor: 'e:0' } })
  for (let offset = 1; offset <= 10; offset++) socket.receiveMessage(offset)
  await clock.advance(999)
  expect(store.saves).toBe(1)
  await clock.advance(1)
  expect(store).toMatchObject({ saves: 2, state: { cursor: 'e:10' } })
  await clock.advance(20_000)
  expect(store.saves).toBe(2)
})

test('a failing store is reported, and the client continues without it', async () => {
  const cause = new Error('full')
  const store = { load: () => Promise.reject(cause), save: () => Promise.reject(cause) }
  const { socket, events, clock, client } = await startOpen({ store })
  socket.receiveMessage(1)
  await clock.advance(1000)
  expect(client.state).toBe('open')
  expect(new Set(events.error.map(({ code }) => code))).toEqual(new Set(['store_failed']))
})
