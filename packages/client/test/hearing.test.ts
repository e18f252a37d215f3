/**
 * What the application hears: each thing once, in order, and what was lost.
 */
import { expect, test } from 'vitest'
import { ClientError, connect, type ChannelMessage, type SavedState, type Store } from '../src/index.js'
import { settled } from './support/fake-clock.js'
import { fakeWebSockets } from './support/fake-socket.js'
import { reconnect, start, startOpen } from './support/setup.js'

const dataOf = (messages: readonly { readonly data: unknown }[]): unknown[] => messages.map(({ data }) => data)

test('every message of the server is an event of its name', async () => {
  const { socket, told } = await startOpen()
  const at = '2024-01-01T00:00:00.000Z'
  const change = { channel: 'lobby', joined: ['boris'], left: [], joinedCount: 1, leftCount: 0, count: 2 }
  socket.hear(1)
  socket.say({ type: 'direct', from: 'boris', data: 2, offset: 2, at })
  socket.say({ type: 'presence', changes: [change], offset: 3, text: '' })
  socket.say({ type: 'periodic', at, active: 1, uptimeSeconds: 1, text: '' })
  socket.say({ type: 'shutdown', phase: 'warning', deadlineInMs: 1, leaveInMs: 1, remaining: 1, text: '' })
  socket.say({ type: 'shutdownCancelled', text: '' })
  const { message, direct, presence: presences, periodic, shutdown, shutdownCancelled } = told
  for (const one of [message, direct, presences, periodic, shutdown, shutdownCancelled]) expect(one).toHaveLength(1)
  expect(told.error).toEqual([])
})

test('the client does not deliver an entry twice', async () => {
  const { socket, told } = await startOpen()
  for (const offset of [1, 2, 2, 1, 3]) socket.hear(offset)
  expect(dataOf(told.message)).toEqual([1, 2, 3])
})

test('types and fields of a newer server are ignored', async () => {
  const { socket, told } = await startOpen()
  socket.sayText('{"type":"fireworks","offset":9}')
  socket.sayText('{"type":"message","channel":"lobby","from":"b","data":1,"offset":1,"at":"","colour":"red"}')
  expect(dataOf(told.message)).toEqual([1])
  expect(told.error).toEqual([])
})

test.each(['not JSON', 'null', '5', ''])(
  'a frame that is no message is reported and does no harm: %j',
  async (text) => {
    const { socket, told, client } = await startOpen()
    socket.sayText(text)
    expect(told.error).toMatchObject([{ code: 'bad_frame' }])
    expect(client.state).toBe('open')
  },
)

test('no message is delivered before the welcome', async () => {
  const { socket, told } = await start()
  socket.hear(1)
  expect(told.message).toEqual([])
})

test('a recovery is reported, and so is a loss, once', async () => {
  const setup = await startOpen({ channels: ['news'] })
  expect(setup.told.recovered).toEqual([])
  await reconnect(setup)
  setup.socket.welcome()
  expect(setup.told.recovered).toEqual([{ recovered: true, channels: ['lobby', 'news'] }])
  await reconnect(setup)
  setup.socket.welcome({ recovered: false, cursor: 'f:9' })
  setup.socket.hear(10)
  expect(setup.told.recovered.slice(1)).toEqual([{ recovered: false, channels: ['lobby', 'news'] }])
})

test('after a loss it counts by the new journal', async () => {
  const setup = await startOpen()
  setup.socket.hear(100)
  await reconnect(setup)
  setup.socket.welcome({ recovered: false, cursor: 'f:3' })
  for (const offset of [3, 4, 4, 5]) setup.socket.hear(offset)
  expect(dataOf(setup.told.message)).toEqual([100, 4, 5])
  await reconnect(setup)
  expect(setup.socket.parameter('cursor')).toBe('f:5')
})

test('an exception of a handler does not stop the client, and is not swallowed', async () => {
  const thrown: unknown[] = []
  const onThrown = (error: unknown): void => void thrown.push(error)
  const listeners = process.listeners('uncaughtException')
  process.removeAllListeners('uncaughtException').on('uncaughtException', onThrown)
  try {
    const { client, socket, told } = await startOpen()
    const error = new Error('a defect of the application')
    client.on('message', () => {
      throw error
    })
    socket.hear(1)
    socket.hear(2)
    await settled()
    expect(dataOf(told.message)).toEqual([1, 2])
    expect(thrown).toEqual([error, error])
  } finally {
    process.off('uncaughtException', onThrown)
    for (const listener of listeners) process.on('uncaughtException', listener)
  }
})

test('a handler that calls in again is served in its turn', async () => {
  const { client, socket, told } = await startOpen()
  client.on('message', ({ offset }) => {
    if (offset === 1) client.close()
  })
  socket.hear(1)
  socket.hear(2)
  expect(dataOf(told.message)).toEqual([1])
})

test('a handler that was taken off is not called', async () => {
  const { client, socket } = await startOpen()
  const heard: number[] = []
  const off = client.on('message', ({ offset }) => void heard.push(offset))
  socket.hear(1)
  off()
  socket.hear(2)
  expect(heard).toEqual([1])
})

// ——— subscriptions

test('a channel that is wanted before the first handshake is named in it', async () => {
  const { sockets, WebSocket } = fakeWebSockets()
  const client = connect('ws://server/ws', { webSocket: WebSocket })
  client.subscribe('news')
  await settled()
  expect(sockets[0]?.parameter('channels')).toBe('news')
  client.close()
})

test('a channel is asked for from the place the client has come to', async () => {
  const { client, socket } = await startOpen()
  socket.hear(4)
  client.subscribe('news')
  expect(socket.sent).toMatchObject([{ type: 'subscribe', channels: ['news'], since: 'e:4' }])
})

test('one that is wanted while the handshake is under way is asked for from where the connection begins', async () => {
  const { client, socket } = await start()
  client.subscribe('news')
  client.subscribe('games')
  socket.welcome({ cursor: 'e:7' })
  expect(socket.sent).toMatchObject([
    { type: 'subscribe', channels: ['news'], since: 'e:7' },
    { type: 'subscribe', channels: ['games'], since: 'e:7' },
  ])
})

test('its history is delivered in order, once, although the cursor is ahead of it', async () => {
  const { client, socket } = await startOpen()
  const heard: unknown[] = []
  socket.hear(4)
  client.subscribe('news', ({ data }) => void heard.push(data))
  socket.hear(9)
  for (const offset of [5, 6, 6, 7]) socket.hear(offset, offset, 'news')
  const { id } = socket.sent[0] as { id: string }
  socket.say({ type: 'subscribed', id, channels: ['news'], recovered: true, cursor: 'e:0' })
  for (const offset of [7, 10]) socket.hear(offset, offset, 'news')
  expect(heard).toEqual([5, 6, 7, 10])
})

test('a client that loses the connection before the answer requests the missing entries again', async () => {
  const setup = await startOpen({ channels: ['games'] })
  setup.client.subscribe('news')
  setup.socket.hear(1, 1, 'news')
  setup.socket.hear(5)
  await reconnect(setup)
  expect(setup.socket.parameter('channels')).toBe('games')
  setup.socket.welcome()
  expect(setup.socket.sent).toMatchObject([{ type: 'subscribe', channels: ['news'], since: 'e:1' }])
})

test('once it is answered it is named in the handshake and resumed with all others', async () => {
  const setup = await startOpen()
  setup.client.subscribe('news')
  const { id } = setup.socket.sent[0] as { id: string }
  setup.socket.say({ type: 'subscribed', id, channels: ['news'], recovered: true, cursor: 'e:0' })
  await reconnect(setup)
  expect(setup.socket.parameter('channels')).toBe('news')
  setup.socket.welcome()
  expect(setup.socket.sent).toEqual([])
})

test('an evicted history is reported for that channel', async () => {
  const { client, socket, told } = await startOpen()
  client.subscribe('news')
  const { id } = socket.sent[0] as { id: string }
  socket.say({ type: 'subscribed', id, channels: ['news'], recovered: false, cursor: 'e:0' })
  expect(told.recovered).toEqual([{ recovered: false, channels: ['news'] }])
})

test('a channel is left when the last subscription is, and not before', async () => {
  const { client, socket } = await startOpen({ channels: ['news'] })
  const [one, two] = [client.subscribe('games'), client.subscribe('games')]
  const { id } = socket.sent[0] as { id: string }
  socket.say({ type: 'subscribed', id, channels: ['games'], recovered: true, cursor: 'e:0' })
  one.unsubscribe()
  expect(socket.sentOf('unsubscribe')).toEqual([])
  two.unsubscribe()
  two.unsubscribe()
  expect(socket.sentOf('unsubscribe')).toMatchObject([{ channels: ['games'] }])
  client.subscribe('news').unsubscribe()
  client.subscribe('lobby').unsubscribe()
  expect(socket.sent).toHaveLength(2)
})

test('a channel is not left before what was said there is answered', async () => {
  const { client, socket } = await startOpen()
  const news = client.subscribe('news')
  const { id } = socket.sent[0] as { id: string }
  void client.publish(1, { channel: 'news', id: 'm' }).catch(() => undefined)
  expect(socket.sentOf('message')).toEqual([])
  news.unsubscribe()
  socket.say({ type: 'subscribed', id, channels: ['news'], recovered: true, cursor: 'e:0' })
  expect(socket.sentOf('message')).toHaveLength(1)
  expect(socket.sentOf('unsubscribe')).toEqual([])
  socket.say({ type: 'ack', id: 'm', offset: 1 })
  expect(socket.sentOf('unsubscribe')).toHaveLength(1)
})

test('a channel that is refused takes no other along', async () => {
  const { client, socket, told } = await start()
  client.subscribe('open')
  const secret = client.subscribe('secret')
  socket.welcome()
  const [open, other] = socket.sent as { id: string }[]
  const forbidden = new ClientError('forbidden', 'no')
  socket.say({ type: 'error', code: 'forbidden', message: 'no', temporary: false, id: other?.id as string })
  socket.say({ type: 'subscribed', id: open?.id as string, channels: ['open'], recovered: true, cursor: 'e:0' })
  socket.hear(3, 'heard', 'open')
  expect(told.error).toEqual([forbidden])
  expect(dataOf(told.message)).toEqual(['heard'])
  await expect(secret[Symbol.asyncIterator]().next()).rejects.toEqual(forbidden)
})

test('one that is left and wanted again while nothing may be said is heard from there on', async () => {
  const { client, socket, clock } = await startOpen({ channels: ['games'] })
  const news = client.subscribe('news')
  const idOf = (type: string): string => (socket.sentOf(type).at(-1) as { id: string }).id
  socket.say({ type: 'subscribed', id: idOf('subscribe'), channels: ['news'], recovered: true, cursor: 'e:0' })
  news.unsubscribe()
  void client.publish(1, { id: 'm1' }).catch(() => undefined)
  socket.say({ type: 'error', code: 'rate_limited', message: '', temporary: true, id: 'm1', retryInMs: 500 })
  socket.say({ type: 'unsubscribed', id: idOf('unsubscribe'), channels: ['news'], recovered: null, cursor: 'e:0' })
  socket.hear(7)
  client.subscribe('news')
  await clock.advance(500)
  expect(socket.sentOf('subscribe')[1]).toMatchObject({ channels: ['news'], since: 'e:7' })
})

test('one whose leaving is refused for now, and that is wanted again by then, was never left', async () => {
  const setup = await startOpen()
  const news = setup.client.subscribe('news')
  const { socket, clock } = setup
  const idOf = (type: string): string => (socket.sentOf(type).at(-1) as { id: string }).id
  socket.say({ type: 'subscribed', id: idOf('subscribe'), channels: ['news'], recovered: true, cursor: 'e:0' })
  news.unsubscribe()
  setup.client.subscribe('news')
  const refusal = { type: 'error', code: 'rate_limited', message: '', temporary: true, retryInMs: 500 } as const
  socket.say({ ...refusal, id: idOf('unsubscribe') })
  await clock.advance(500)
  expect(socket.sentOf('subscribe')).toHaveLength(1)
  await reconnect(setup)
  expect(setup.socket.parameter('channels')).toBe('news')
})

test('a channel that can not be had now is asked for later', async () => {
  const { client, socket, clock } = await startOpen()
  client.subscribe('news')
  const { id } = socket.sent[0] as { id: string }
  socket.say({ type: 'error', code: 'rate_limited', message: '', temporary: true, id, retryInMs: 500 })
  await clock.advance(499)
  expect(socket.sent).toHaveLength(1)
  await clock.advance(1)
  expect(socket.sent).toHaveLength(2)
})

test.each(['', 'a,b', 'ж', 'x'.repeat(65)])('a name that would spoil the handshake is refused: %j', async (channel) => {
  const { client } = await startOpen()
  expect(() => client.subscribe(channel)).toThrow(TypeError)
})

// ——— waiting for messages one after the other

async function take(messages: AsyncIterable<ChannelMessage>, count: number): Promise<unknown[]> {
  const taken: unknown[] = []
  for await (const { data } of messages) {
    taken.push(data)
    if (taken.length === count) break
  }
  return taken
}

test('a loop gets what came since the subscription, then what comes; leaving it unsubscribes', async () => {
  const { client, socket } = await startOpen({ channels: ['news'] })
  const news = client.subscribe('news')
  socket.hear(1, 1, 'news')
  socket.hear(2, 2, 'news')
  const taken = take(news, 3)
  await settled()
  socket.hear(3, 3, 'news')
  socket.hear(4, 4, 'news')
  await expect(taken).resolves.toEqual([1, 2, 3])
})

test('beside a handler, a loop gets what comes after it began', async () => {
  const { client, socket } = await startOpen({ channels: ['news'] })
  const handled: unknown[] = []
  const news = client.subscribe('news', ({ data }) => void handled.push(data))
  socket.hear(1, 1, 'news')
  const taken = take(news, 1)
  socket.hear(2, 2, 'news')
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
  for (const offset of [1, 2, 3, 4]) socket.hear(offset)
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
  first.socket.hear(5)
  first.client.close()
  await settled()
  const second = await start({ store, channels: ['news'] })
  expect(second.socket.url.pathname).toBe('/ws/anna')
  expect(second.socket.parameter('session')).toBe('secret')
  expect(second.socket.parameter('cursor')).toBe('e:5')
  expect(second.socket.parameter('channels')).toBe('news')
  second.socket.welcome()
  expect(second.told.recovered).toEqual([{ recovered: true, channels: ['lobby', 'news'] }])
})

test('a state of another name is of no use', async () => {
  const store = memory({ clientId: 'boris', session: 's', cursor: 'e:5' })
  const { socket } = await start({ store, clientId: 'anna' })
  expect(socket.url.pathname).toBe('/ws/anna')
  expect(socket.parameter('cursor')).toBeNull()
})

test('it is saved at once when let in, then at most once per second', async () => {
  const store = memory()
  const { socket, clock } = await startOpen({ store })
  await clock.advance(0)
  expect(store).toMatchObject({ saves: 1, state: { clientId: 'anna', session: 'secret', cursor: 'e:0' } })
  for (let offset = 1; offset <= 10; offset++) socket.hear(offset)
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
  const { socket, told, clock, client } = await startOpen({ store })
  socket.hear(1)
  await clock.advance(1000)
  expect(client.state).toBe('open')
  expect(new Set(told.error.map(({ code }) => code))).toEqual(new Set(['store_failed']))
})
