/**
 * Resuming: the server replays missed entries once and in order before live ones, or reports that it cannot.
 */
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { TestClient } from '../support/test-client.js'
import { startServer, type TestServer } from '../support/test-server.js'
import { removeFolder } from '../support/remove-folder.js'

const quiet = (some: Parameters<typeof startServer>[0] = {}): Promise<TestServer> =>
  startServer({ presenceIntervalMs: 0, ...some })

/** Everything from the journal, in the order in which it came. */
const offsets = (client: TestClient): number[] =>
  client.messages.flatMap((message) => ('offset' in message && message.type !== 'pong' ? [message.offset] : []))

const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, index) => from + index)

/** Says so many messages, which are numbered on from those before. */
async function say(client: TestClient, count: number, padding = ''): Promise<void> {
  for (let index = 1; index < count; index++) client.send({ type: 'message', data: padding })
  await client.publish(padding)
}

describe('with its cursor a client gets', () => {
  test('the messages it missed, in order, and then new ones', async () => {
    const server = await quiet()
    const [a, b] = [await server.connect('a'), await server.connect('b')]
    await say(a, 100)
    await b.until(() => offsets(b).length === 100)
    const { cursor } = b
    await b.leave()
    await say(a, 500)
    const back = await server.connect(`b?cursor=${cursor}`)
    expect(await back.first('welcome')).toMatchObject({ recovered: true, cursor })
    await say(a, 10)
    await back.until(() => offsets(back).length === 510)
    expect(offsets(back)).toEqual(range(101, 610))
    expect(back.messages[0]?.type).toBe('welcome')
  })

  test('no gap and no repeat while other clients publish', async () => {
    const server = await quiet()
    const speaker = await server.connect('speaker')
    let isTalking = true
    const talk = async (): Promise<void> => {
      while (isTalking) await say(speaker, 20, 'x'.repeat(200))
    }
    const talking = talk()
    const heard: number[] = []
    let client = await server.connect('a')
    const { session } = await client.first('welcome')
    const start = Number((await client.first('welcome')).cursor.split(':')[1])
    for (let round = 0; round < 15; round++) {
      const enough = offsets(client).length + 60
      await client.until(() => offsets(client).length >= enough)
      client.socket.terminate()
      const { cursor } = client
      heard.push(...offsets(client))
      client = await server.connect(`a?cursor=${cursor}&session=${session}`)
      expect(await client.first('welcome')).toMatchObject({ recovered: true })
    }
    isTalking = false
    await talking
    const last = await speaker.publish('last')
    await client.until((message) => 'offset' in message && message.offset === last)
    heard.push(...offsets(client))
    expect(heard).toEqual(range(start + 1, last))
  })

  test('its own missed messages as acks, so that it knows which are in the journal', async () => {
    const server = await quiet()
    const [a, b] = [await server.connect('a'), await server.connect('b')]
    const { cursor, session } = await a.first('welcome')
    await a.publish('mine', { id: 'x' })
    await b.publish('yours', { id: 'y' })
    a.socket.terminate()
    const back = await server.connect(`a?cursor=${cursor}&session=${session}`)
    await back.first('message')
    expect(back.messages.slice(1)).toMatchObject([
      { type: 'ack', id: 'x', offset: 1 },
      { type: 'message', id: 'y', offset: 2 },
    ])
  })

  test('the entries of its present channels, and of no others', async () => {
    const server = await quiet()
    const a = await server.connect('a?channels=news,sport')
    const { cursor } = await a.first('welcome')
    await a.publish('in the lobby')
    await a.publish('in news', { channel: 'news' })
    await a.publish('in sport', { channel: 'sport' })
    const b = await server.connect(`b?channels=news&cursor=${cursor}`)
    await a.publish('marker')
    await b.first('message', ({ data }) => data === 'marker')
    expect(b.heard).toEqual(['in the lobby', 'in news', 'marker'])
  })

  test('no entry twice when it has missed nothing', async () => {
    const server = await quiet()
    const a = await server.connect('a')
    await say(a, 5)
    const { cursor } = a
    await a.leave()
    const b = await server.connect(`b?cursor=${cursor}`)
    expect(await b.first('welcome')).toMatchObject({ recovered: true, cursor })
    await b.publish('first')
    expect(offsets(b)).toEqual([6])
  })

  test('every retained entry when it has received none yet', async () => {
    const server = await quiet()
    const a = await server.connect('a')
    const { cursor } = await a.first('welcome')
    expect(cursor).toMatch(/:0$/)
    await say(a, 5)
    const b = await server.connect(`b?cursor=${cursor}`)
    await b.until(() => offsets(b).length === 5)
    expect(offsets(b)).toEqual(range(1, 5))
  })

  test('every entry when they are many times larger than a socket buffer', async () => {
    const server = await quiet()
    const a = await server.connect('a')
    const { cursor } = await a.first('welcome')
    await say(a, 400, 'ї'.repeat(10_000))
    const clients = await Promise.all(
      Array.from({ length: 5 }, (_, index) => server.connect(`b${index}?cursor=${cursor}`)),
    )
    for (const client of clients) {
      await client.until(() => offsets(client).length === 400)
      expect(offsets(client)).toEqual(range(1, 400))
    }
  })
})

describe('after a restart of the server on its file journal', () => {
  async function restarted(
    before: (server: TestServer) => Promise<string>,
  ): Promise<{ server: TestServer; cursor: string }> {
    const folder = mkdtempSync(join(tmpdir(), 'lastcall-resume-'))
    onTestFinished(() => removeFolder(folder))
    const journalUrl = `file:${folder}`
    const first = await quiet({ journalUrl })
    const cursor = await before(first)
    first.connections.terminateAll()
    await first.close()
    return { server: await quiet({ journalUrl }), cursor }
  }

  test('a client gets the entries that it missed, and offsets continue', async () => {
    let said: number[] = []
    const { server, cursor } = await restarted(async (first) => {
      const [a, b] = [await first.connect('a'), await first.connect('b')]
      await say(a, 3)
      await b.until(() => offsets(b).length === 3)
      const at = b.cursor
      await say(a, 4)
      said = offsets(a).slice(3)
      return at
    })
    const b = await server.connect(`b?cursor=${cursor}`)
    expect(await b.first('welcome')).toMatchObject({ recovered: true })
    const on = await b.publish('on')
    expect(on).toBeGreaterThan(said.at(-1) as number)
    expect(offsets(b)).toEqual([...said, on])
  })
})

describe('the server answers an unserviceable cursor with `recovered: false` and replays nothing', () => {
  async function crowded(): Promise<{ server: TestServer; a: TestClient; epoch: string }> {
    const server = await quiet({ historySize: 10 })
    const a = await server.connect('a')
    const epoch = (await a.first('welcome')).cursor.split(':')[0] as string
    await say(a, 30)
    return { server, a, epoch }
  }

  test.each([
    ['older than what is kept', (epoch: string) => `${epoch}:19`],
    ['older than everything', (epoch: string) => `${epoch}:0`],
    ['ahead of the journal', (epoch: string) => `${epoch}:31`],
    ['of another journal', () => 'elsewhere:25'],
    ['malformed', () => 'nonsense'],
    ['of a form that a later version may use', () => 'v2~!#$&(){}='],
    ['longer than any cursor', (epoch: string) => `${epoch}:1${'0'.repeat(400)}`],
    ['empty', () => ''],
    ['negative', (epoch: string) => `${epoch}:-1`],
    ['of a huge number', (epoch: string) => `${epoch}:99999999999999999999`],
  ])('%s', async (_name, cursor) => {
    const { server, a, epoch } = await crowded()
    const b = await server.connect(`b?cursor=${encodeURIComponent(cursor(epoch))}`)
    expect(await b.first('welcome')).toMatchObject({ recovered: false, cursor: `${epoch}:30` })
    await a.publish('marker')
    await b.first('message')
    expect(offsets(b)).toEqual([31])
  })

  test('the server replays from the oldest serviceable cursor', async () => {
    const { server, epoch } = await crowded()
    const b = await server.connect(`b?cursor=${epoch}:20`)
    expect(await b.first('welcome')).toMatchObject({ recovered: true })
    await b.until(() => offsets(b).length === 10)
    expect(offsets(b)).toEqual(range(21, 30))
  })

  test('the server answers `recovered: null` without a cursor', async () => {
    const { server } = await crowded()
    expect(await (await server.connect('b')).first('welcome')).toMatchObject({ recovered: null })
  })
})

describe('subscribing with `since`', () => {
  test('replays the entries of the channel, then confirms with `subscribed`, then delivers live entries', async () => {
    const server = await quiet()
    const [a, b] = [await server.connect('a?channels=news'), await server.connect('b')]
    const { cursor } = await b.first('welcome')
    for (let index = 1; index <= 50; index++) a.send({ type: 'message', channel: 'news', data: index })
    await a.publish('lobby')
    await b.first('message')
    b.send({ type: 'subscribe', channels: ['news'], since: cursor })
    for (let index = 51; index <= 60; index++) a.send({ type: 'message', channel: 'news', data: index })
    const subscribed = await b.first('subscribed')
    expect(subscribed).toMatchObject({ channels: ['news'], recovered: true })
    await b.first('message', ({ data }) => data === 60)
    const news = b.all('message').filter(({ channel }) => channel === 'news')
    expect(news.map(({ data }) => data)).toEqual(range(1, 60))
    const replayed = b.messages
      .slice(0, b.messages.indexOf(subscribed))
      .filter((message) => news.includes(message as never))
    const upTo = Number(subscribed.cursor.split(':')[1])
    expect(replayed).toEqual(news.filter(({ offset }) => offset <= upTo))
    // The server does not replay messages of the lobby that the client has received.
    expect(b.all('message').filter(({ channel }) => channel === 'lobby')).toHaveLength(1)
  })

  test.each(['nonsense', 'elsewhere:1', 42, 'v2~!#$&(){}=', `e:${'1'.repeat(500)}`])(
    '%j that the server cannot serve gets `recovered: false`',
    async (since) => {
      const server = await quiet()
      const [a, b] = [await server.connect('a?channels=news'), await server.connect('b')]
      await a.publish('before', { channel: 'news' })
      b.send({ type: 'subscribe', channels: ['news'], since })
      expect(await b.first('subscribed')).toMatchObject({ recovered: false })
      await a.publish('after', { channel: 'news' })
      await b.first('message')
      expect(b.heard).toEqual(['after'])
    },
  )

  test('a client that loses the connection before `subscribed` requests again and misses nothing', async () => {
    const server = await quiet()
    const [a, b] = [await server.connect('a?channels=news'), await server.connect('b')]
    const { cursor } = await b.first('welcome')
    for (let index = 0; index < 100; index++) a.send({ type: 'message', channel: 'news', data: index })
    await a.publish('marker')
    await b.first('message')
    b.send({ type: 'subscribe', channels: ['news'], since: cursor })
    await b.first('message', ({ channel }) => channel === 'news')
    b.socket.terminate()
    const again = await server.connect('c')
    again.send({ type: 'subscribe', channels: ['news'], since: cursor })
    await again.first('subscribed')
    expect(again.heard).toEqual(range(0, 99))
  })
})

test('every entry reaches many clients that reconnect at once', async () => {
  const server = await quiet()
  const a = await server.connect('a')
  const { cursor } = await a.first('welcome')
  await say(a, 100, 'x'.repeat(500))
  const clients = await Promise.all(
    Array.from({ length: 200 }, (_, index) => server.connect(`c${index}?cursor=${cursor}`)),
  )
  await a.publish('marker')
  for (const client of clients) {
    await client.first('message', ({ data }) => data === 'marker')
    expect(offsets(client)).toEqual(range(1, 101))
  }
})
