/**
 * Today's build beside tomorrow's, on one file journal. In every deploy each build reads the entries of the other, and serves
 * clients of the other. Tomorrow's build has a kind of entry, a field of an entry, a message in each direction and a field of
 * the welcome that today's build does not know.
 */
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from '@lastcall/client'
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { WebSocket } from 'ws'
import { changedServer, type Change, type ChangedServer } from '../../e2e/changed-server.js'
import { Command } from '../../packages/server/test/support/command.js'
import type { TestClient } from '../../packages/server/test/support/test-client.js'
import { removeFolder } from '../../packages/server/test/support/remove-folder.js'

const TOMORROW: readonly Change[] = [
  // A client may send `react`, and the server delivers a `reaction` to the lobby, from an entry of its own kind.
  {
    file: '@lastcall/protocol/client-messages.js',
    from: 'const PARSERS = {',
    to: `const PARSERS = {
      react: ({ data }) => ({ type: 'react', data: JSON.stringify(data) }),`,
  },
  {
    file: 'sessions/message-handler.js',
    from: 'switch (message.type) {',
    to: `switch (message.type) {
      case 'react':
        return hub.publishing.publish(connection, { kind: 'reaction', channel: 'lobby', from: connection.clientId, data: message.data });`,
  },
  {
    file: 'journal/entry-kinds.js',
    from: 'const CONTENT_KINDS = {',
    to: `const CONTENT_KINDS = {
      reaction: {
        ...INTERNAL,
        channelOf: ({ channel }) => channel,
        encode: ({ channel, from }, header) => Object.assign(header, { c: channel, f: from }),
        dataOf: ({ data }) => data,
        decode: ({ c, f }, place, data) => ({ kind: 'reaction', channel: c, from: f, data, ...place }),
      },`,
  },
  {
    file: 'hub/frames.js',
    from: 'const FRAMES = {',
    to: `const FRAMES = {
      reaction: {
        textOf: ({ entry: { channel, from, data, offset } }) =>
          JSON.stringify({ type: 'reaction', channel, from, data: JSON.parse(data), offset }),
      },`,
  },
  // Messages have a field `mood`, in the journal and on the wire.
  {
    file: 'journal/entry-kinds.js',
    from: `header.c = content.channel;
            header.f = content.from;`,
    to: "header.mood = 'good', header.c = content.channel, header.f = content.from;",
  },
  {
    file: 'journal/entry-kinds.js',
    from: "return { kind: 'message', channel,",
    to: "return { kind: 'message', mood: arguments[0].mood, channel,",
  },
  {
    file: 'hub/frames.js',
    from: '({ entry: { channel, from, data, id, offset }, at }) => `{"type":"message",',
    to: '({ entry: { channel, from, data, id, offset, mood }, at }) => `{"type":"message",${mood ? `"mood":"${mood}",` : ""}',
  },
  // The welcome has a field with the region of the instance.
  { file: 'sessions/session-setup.js', from: "type: 'welcome',", to: "type: 'welcome', region: 'north'," },
]

let tomorrow: ChangedServer
let env: Record<string, string>

beforeAll(() => void (tomorrow = changedServer(TOMORROW)))
afterAll(() => tomorrow.remove())

beforeEach(() => {
  const folder = mkdtempSync(join(tmpdir(), 'lastcall-mixed-'))
  onTestFinished(() => removeFolder(folder))
  env = {
    JOURNAL_URL: `file:${join(folder, 'journal')}`,
    SESSION_SECRET: 'a secret that all instances have in common',
    PRESENCE_INTERVAL: '0',
  }
})

const startOld = (): Promise<Command> => Command.serving({ ...env, BUILD: 'today' })
const startNew = (): Promise<Command> => Command.serving({ ...env, BUILD: 'tomorrow' }, { file: tomorrow.cli })

const enter = (server: Command, path: string): Promise<TestClient> => server.connect(path, { protocol: 'lastcall.v1' })

/** The frames with an offset that a client received, without its acks. */
const entriesOf = (client: TestClient): Record<string, unknown>[] =>
  (client.messages as unknown as Record<string, unknown>[]).filter(
    ({ type, offset }) => offset !== undefined && type !== 'ack',
  )

const heard = (client: TestClient, data: unknown): Promise<unknown> =>
  client.first('message', (message) => message.data === data)

async function unknownEntries(server: Command): Promise<number> {
  const text = await (await fetch(new URL('metrics', server.httpUrl))).text()
  return Number(/^lastcall_journal_unknown_entries_total (\d+)$/m.exec(text)?.[1])
}

/** A client on each build, and a conversation of tomorrow's clients. */
async function talk(): Promise<{
  old: Command
  fresh: Command
  oldies: TestClient
  newbie: TestClient
  other: TestClient
}> {
  const [old, fresh] = await Promise.all([startOld(), startNew()])
  const [oldies, newbie, other] = [
    await enter(old, 'oldies'),
    await enter(fresh, 'newbie'),
    await enter(fresh, 'other'),
  ]
  newbie.send({ type: 'message', data: 'hello' })
  newbie.send({ type: 'react', data: '👋' })
  await newbie.publish('bye')
  await Promise.all([heard(oldies, 'bye'), heard(other, 'bye')])
  return { old, fresh, oldies, newbie, other }
}

describe('today’s build, beside tomorrow’s', () => {
  test('delivers the entries that it understands, skips and counts the others, and keeps its offset', async () => {
    const { old, fresh, oldies, other } = await talk()
    expect(other.messages[0]).toMatchObject({ type: 'welcome', build: 'tomorrow', region: 'north' })
    expect(oldies.messages[0]).toMatchObject({ type: 'welcome', build: 'today' })
    expect(entriesOf(other)).toMatchObject([
      { type: 'message', data: 'hello', mood: 'good' },
      { type: 'reaction', data: '👋' },
      { type: 'message', data: 'bye', mood: 'good' },
    ])
    const told = entriesOf(oldies)
    expect(told).toMatchObject([
      { type: 'message', from: 'newbie', data: 'hello' },
      { type: 'message', from: 'newbie', data: 'bye' },
    ])
    for (const message of told) expect(Object.keys(message)).not.toContain('mood')
    // Both builds deliver the same offsets; the reaction has an offset between them.
    expect(told.map(({ offset }) => offset)).toEqual(
      entriesOf(other).flatMap(({ type, offset }) => (type === 'message' ? [offset] : [])),
    )
    expect([await unknownEntries(old), await unknownEntries(fresh)]).toEqual([1, 0])
  })

  test('starts on a journal with entries of tomorrow’s build', async () => {
    const { old, oldies, newbie } = await talk()
    const { cursor } = oldies
    old.child.kill('SIGKILL')
    await old.exited
    newbie.send({ type: 'react', data: 'again' })
    await newbie.publish('more')
    const again = await startOld()
    const back = await enter(again, `oldies?cursor=${cursor}`)
    expect(await back.first('welcome')).toMatchObject({ recovered: true, build: 'today' })
    await heard(back, 'more')
    expect(entriesOf(back)).toMatchObject([{ data: 'more' }])
    expect(await unknownEntries(again)).toBe(2)
  })

  test('answers an unknown message of tomorrow’s client with an error and continues to serve it', async () => {
    const { oldies, other } = await talk()
    oldies.send({ type: 'react', data: '👋' })
    expect(await oldies.first('error')).toMatchObject({ code: 'unknown_type', temporary: false })
    await oldies.publish('all the same', { id: 'x' })
    await heard(other, 'all the same')
  })
})

describe('tomorrow’s build, beside today’s', () => {
  test('handles entries that lack its new field', async () => {
    const { oldies, newbie } = await talk()
    await oldies.publish('from today')
    await heard(newbie, 'from today')
    const message = entriesOf(newbie).at(-1)
    expect(message).toMatchObject({ type: 'message', from: 'oldies', data: 'from today' })
    expect(Object.keys(message ?? {})).not.toContain('mood')
  })

  test('serves a client of today’s library, which ignores unknown fields and migrates between the builds', async () => {
    const { old, fresh, newbie } = await talk()
    let server = fresh
    let socket: WebSocket | undefined
    class Switch extends WebSocket {
      constructor(url: string, protocols?: string | string[]) {
        super(url.replace(fresh.webSocketUrl, server.webSocketUrl), protocols)
        // eslint-disable-next-line @typescript-eslint/no-this-alias -- the test cuts this connection below
        socket = this
      }
    }
    const client = connect(fresh.webSocketUrl, { clientId: 'library', webSocket: Switch, minDelayMs: 10 })
    onTestFinished(() => client.close())
    const told: unknown[] = []
    const complaints: unknown[] = []
    let wake = (): void => undefined
    client.on('message', ({ data }) => {
      told.push(data)
      wake()
    })
    client.on('error', (error) => complaints.push(error))
    client.on('recovered', (recovery) => {
      if (!recovery.recovered) complaints.push(recovery)
    })
    await client.publish('here')

    for (const [next, word] of [
      [old, 'with today’s'],
      [fresh, 'with tomorrow’s again'],
    ] as const) {
      server = next
      socket?.terminate()
      newbie.send({ type: 'react', data: word })
      newbie.send({ type: 'message', data: word })
      while (told.at(-1) !== word) await new Promise<void>((resolve) => (wake = resolve))
      await client.publish(`heard ${word}`)
    }
    expect(told).toEqual(['with today’s', 'with tomorrow’s again'])
    expect(complaints).toEqual([])
    expect((await old.logged('connect', ({ clientId }) => clientId === 'library')).event).toBe('connect')
  })
})

test.each([
  ['to tomorrow’s', startOld, startNew],
  ['to today’s', startNew, startOld],
] as const)('a client moves %s build, and the report of the other says so', async (_where, startFrom, startTo) => {
  const [from, to] = await Promise.all([startFrom(), startTo()])
  const [anna, bob] = [await enter(from, 'anna'), await enter(to, 'bob')]
  await anna.publish('before')
  await heard(bob, 'before')
  from.signal('SIGTERM')
  await anna.first('shutdown')
  await anna.publish('while it drains')
  await heard(bob, 'while it drains')
  const { build, session } = await anna.first('welcome')
  const moved = await enter(to, `anna?avoid=${build}&session=${session}&cursor=${anna.cursor}`)
  expect(await moved.first('welcome')).toMatchObject({ recovered: true, session })
  await bob.publish('after')
  await Promise.all([heard(moved, 'after'), heard(anna, 'after')])
  await anna.leave()
  expect(await from.exited).toEqual({ code: 0, signal: null })
  expect(await from.logged('shutdown.report')).toMatchObject({ moved: 1, left: 0, remaining: 0 })
})
