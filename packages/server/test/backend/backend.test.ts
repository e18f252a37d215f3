/**
 * The server's methods for back ends, against real clients: what an application publishes is delivered, acknowledged,
 * deduplicated and retained as the messages of clients are.
 */
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { startServer, type TestServer } from '../support/test-server.js'
import { removeFolder } from '../support/remove-folder.js'

/** Two instances that share a journal. */
async function twoInstances(): Promise<[TestServer, TestServer]> {
  const folder = mkdtempSync(join(tmpdir(), 'lastcall-backend-'))
  onTestFinished(() => removeFolder(folder))
  const options = { journalUrl: `file:${folder}`, sessionSecret: 'a secret that both instances have in common' }
  return [await startServer(options), await startServer(options)]
}

describe('publish and direct', () => {
  test('clients receive the messages in order, from `server` or from the given sender, at the returned offsets', async () => {
    const server = await startServer({ presenceIntervalMs: 0 })
    const olena = await server.connect('olena?channels=news')
    const taras = await server.connect('taras')
    const offsets = await Promise.all([
      server.publish('news', { headline: 'Перша' }),
      server.publish('lobby', 'for all', { from: 'editor' }),
      server.direct('olena', [1, 2]),
    ])
    const [first] = offsets
    expect(offsets).toEqual([first, first + 1, first + 2])
    await olena.first('direct')
    await taras.first('message')
    expect(olena.all('message')).toMatchObject([
      { channel: 'news', from: 'server', data: { headline: 'Перша' }, offset: offsets[0] },
      { channel: 'lobby', from: 'editor', data: 'for all', offset: offsets[1] },
    ])
    expect(olena.all('direct')).toMatchObject([{ from: 'server', data: [1, 2], offset: offsets[2] }])
    expect(taras.heard).toEqual(['for all'])
  })

  test('a client whose name is the sender of the message receives it, and no ack', async () => {
    const server = await startServer({ presenceIntervalMs: 0 })
    const editor = await server.connect('editor')
    const offset = await server.publish('lobby', 'in your name', { from: 'editor', id: 'x1' })
    expect(await editor.first('message')).toMatchObject({ from: 'editor', offset })
    await editor.publish('end')
    expect(editor.all('ack').map((ack) => ack.offset)).not.toContain(offset)
  })

  test('a second message with the same id is delivered once, while the first is pending and afterwards', async () => {
    const server = await startServer({ presenceIntervalMs: 0 })
    const olena = await server.connect('olena')
    const [first, pending] = await Promise.all([
      server.publish('lobby', 'once', { id: 'order-7' }),
      server.publish('lobby', 'once', { id: 'order-7' }),
    ])
    expect(pending).toBe(first)
    expect(await server.publish('lobby', 'once', { id: 'order-7' })).toBe(first)
    await server.publish('lobby', 'end')
    await olena.first('message', ({ data }) => data === 'end')
    expect(olena.heard).toEqual(['once', 'end'])
  })

  test('the same id on another instance resolves with the offset of the first message', async () => {
    const [one, two] = await twoInstances()
    const olena = await two.connect('olena')
    const offsets = await Promise.all([
      one.publish('lobby', 'once', { id: 'order-8' }),
      two.publish('lobby', 'once', { id: 'order-8' }),
    ])
    expect(new Set(offsets).size).toBe(1)
    await one.publish('lobby', 'end')
    await olena.first('message', ({ data }) => data === 'end')
    expect(olena.heard).toEqual(['once', 'end'])
  })

  test('a client may use the id of a back end, also under the name `server`', async () => {
    const server = await startServer({ presenceIntervalMs: 0 })
    const [poser, olena] = [await server.connect('server'), await server.connect('olena')]
    await server.publish('lobby', 'from the back end', { id: 'same' })
    poser.socket.send(JSON.stringify({ type: 'message', data: 'from the client', id: 'same' }))
    await poser.first('ack', ({ id }) => id === 'same')
    await olena.first('message', ({ data }) => data === 'from the client')
    expect(olena.heard).toEqual(['from the back end', 'from the client'])
  })

  test('a client that resumes receives what the back end published meanwhile', async () => {
    const server = await startServer({ presenceIntervalMs: 0 })
    const olena = await server.connect('olena')
    const { session } = await olena.first('welcome')
    await olena.publish('before')
    const { cursor } = olena
    await olena.leave()
    await server.publish('lobby', 'missed')
    await server.direct('olena', 'missed, too')
    const again = await server.connect(`olena?session=${session}&cursor=${cursor}`)
    await again.first('direct')
    expect(again.heard).toEqual(['missed', 'missed, too'])
  })

  test.each<[string, (server: TestServer) => Promise<number>, RegExp]>([
    ['a channel with a space', (server) => server.publish('no channel', 1), /a channel is a string/],
    ['a recipient that is no clientId', (server) => server.direct('анна', 1), /the recipient is a clientId/],
    ['a sender that is no clientId', (server) => server.publish('news', 1, { from: 'a b' }), /from is a clientId/],
    ['an empty id', (server) => server.publish('news', 1, { id: '' }), /an id is a string/],
    ['undefined', (server) => server.publish('news', undefined), /cannot be encoded: undefined/],
    ['bytes', (server) => server.publish('news', { file: new Uint8Array(2) }), /JSON has no bytes/],
    ['a BigInt', (server) => server.publish('news', [1n]), /JSON has no BigInt/],
    ['NaN', (server) => server.publish('news', NaN), /JSON has no NaN/],
    ['a Map', (server) => server.publish('news', new Map()), /JSON has no Map/],
  ])('%s is rejected as invalid_argument, and nothing is published', async (_, publish, message) => {
    const server = await startServer({ presenceIntervalMs: 0 })
    await expect(publish(server)).rejects.toMatchObject({ code: 'invalid_argument', message })
    expect(server.history('news').messages).toEqual([])
  })

  test('a message larger than the history is rejected, and the next one is published', async () => {
    const server = await startServer({ presenceIntervalMs: 0, historyBytes: 65_536 })
    const [large, small] = await Promise.allSettled([
      server.publish('news', 'x'.repeat(70_000)),
      server.publish('news', 'small'),
    ])
    expect(large).toMatchObject({ status: 'rejected', reason: { code: 'entry_too_large' } })
    expect(small).toMatchObject({ status: 'fulfilled' })
  })

  test('a closed server rejects messages', async () => {
    const server = await startServer({ presenceIntervalMs: 0 })
    await server.close()
    await expect(server.publish('news', 1)).rejects.toMatchObject({ code: 'wrong_state' })
  })
})

describe('history', () => {
  async function withHistory(): Promise<TestServer> {
    const server = await startServer({ presenceIntervalMs: 0 })
    for (let number = 1; number <= 5; number++) {
      await server.publish('news', number)
      await server.publish('sport', -number)
    }
    return server
  }
  const dataOf = (page: ReturnType<TestServer['history']>): unknown[] => page.messages.map(({ data }) => data)

  test('without a cursor it returns the newest messages of the channel, the oldest first', async () => {
    const server = await withHistory()
    expect(dataOf(server.history('news'))).toEqual([1, 2, 3, 4, 5])
    const page = server.history('news', { limit: 2 })
    expect(dataOf(page)).toEqual([4, 5])
    expect(page.recovered).toBeNull()
    const [message] = page.messages
    expect(message).toEqual({
      channel: 'news',
      from: 'server',
      data: 4,
      offset: message?.offset,
      at: expect.stringMatching(/Z$/) as string,
    })
    expect(dataOf(server.history('news', { limit: 2, before: Number(message?.offset) }))).toEqual([2, 3])
    expect(dataOf(server.history('news', { before: 0 }))).toEqual([])
    expect(dataOf(server.history('empty'))).toEqual([])
  })

  test('pages from a cursor contain every message once', async () => {
    const server = await withHistory()
    const { cursor: end } = server.history('news')
    const epoch = end.slice(0, end.indexOf(':'))
    const read: unknown[] = []
    let cursor = `${epoch}:0`
    for (let page; !page || page.messages.length > 0; cursor = page.cursor) {
      page = server.history('news', { since: cursor, limit: 2 })
      expect(page.recovered).toBe(true)
      read.push(...dataOf(page))
    }
    expect(read).toEqual([1, 2, 3, 4, 5])
    expect(cursor).toBe(end)
    await server.publish('news', 6)
    expect(dataOf(server.history('news', { since: cursor }))).toEqual([6])
  })

  test('a cursor whose entries are evicted, or of another journal, says so', async () => {
    const server = await startServer({ presenceIntervalMs: 0, historySize: 3 })
    for (let number = 1; number <= 5; number++) await server.publish('news', number)
    const epoch = server.history('news').cursor.split(':')[0]
    for (const since of [`${epoch}:1`, 'another:4']) {
      const page = server.history('news', { since })
      expect([page.recovered, dataOf(page)]).toEqual([false, [3, 4, 5]])
    }
  })

  test('retries, direct messages and data of clients appear as they were delivered', async () => {
    const server = await startServer({ presenceIntervalMs: 0 })
    const olena = await server.connect('olena')
    await server.direct('olena', 'private')
    await server.publish('lobby', 'once', { id: 'k' })
    await olena.publish({ text: '"quoted"' })
    expect(server.history('lobby').messages).toMatchObject([
      { data: 'once', id: 'k', from: 'server' },
      { data: { text: '"quoted"' }, from: 'olena' },
    ])
  })

  test.each([{ since: 'no cursor' }, { before: -1 }, { before: 1.5 }, { limit: 0 }, { limit: 1001 }, { limit: NaN }])(
    '%j is rejected as invalid_argument',
    async (query) => {
      const server = await startServer({ presenceIntervalMs: 0 })
      expect(() => server.history('news', query)).toThrow(
        expect.objectContaining({ code: 'invalid_argument' }) as Error,
      )
    },
  )
})

describe('presence', () => {
  test('it names the clients of all instances', async () => {
    const [one, two] = await twoInstances()
    await one.connect('olena?channels=news')
    await two.connect('taras?channels=news')
    await expect.poll(() => one.presence('news').count, { timeout: 60_000 }).toBe(2)
    const { clients } = one.presence('news')
    expect(clients.map(({ clientId }) => clientId).sort()).toEqual(['olena', 'taras'])
    expect(one.presence('news', { limit: 1 })).toEqual({ clients: clients.slice(0, 1), count: 2 })
    expect(one.presence('sport')).toEqual({ clients: [], count: 0 })
  })

  test('without presence it says what to set', async () => {
    const server = await startServer({ presenceIntervalMs: 0 })
    expect(() => server.presence('news')).toThrow(/set PRESENCE_INTERVAL/)
  })
})
