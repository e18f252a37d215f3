/**
 * Several instances on one file journal: they know each other, clients reach the right one, and a client that migrates
 * is counted as moved and announced neither as joined nor as left.
 */
import { mkdtempSync } from 'node:fs'
import { get } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import type { InstanceState } from '../../src/journal/journal.js'
import { TestClient } from '../support/test-client.js'
import { startServer, type TestServer } from '../support/test-server.js'
import { entriesIn } from '../support/written.js'
import { removeFolder } from '../support/remove-folder.js'

type Options = Parameters<typeof startServer>[0]

let journalUrl: string

beforeEach(() => {
  const folder = mkdtempSync(join(tmpdir(), 'lastcall-instances-'))
  onTestFinished(() => removeFolder(folder))
  journalUrl = `file:${folder}`
})

const instance = (build: string, some: Options = {}): Promise<TestServer> =>
  startServer({
    journalUrl,
    build,
    sessionSecret: 'a secret that all instances have in common',
    presenceIntervalMs: 0,
    ...some,
  })

/** Resolves when the second instance has read everything that was written before through the first one. */
async function reads(from: TestServer, to: TestServer): Promise<void> {
  const name = `marker-${crypto.randomUUID()}`
  const [speaker, listener] = [await from.connect(name), await to.connect(`${name}-too`)]
  await speaker.publish(name)
  await listener.first('message', ({ data }) => data === name)
  await Promise.all([speaker.leave(), listener.leave()])
}

/** The same for an instance that rejects new clients, with a client that is connected to it. */
async function readsWhileDraining(from: TestServer, there: TestClient): Promise<void> {
  const name = `marker-${crypto.randomUUID()}`
  const speaker = await from.connect(name)
  await speaker.publish(name)
  await there.first('message', ({ data }) => data === name)
  await speaker.leave()
}

const statesOf = async ({ node }: TestServer): Promise<InstanceState[]> =>
  (await entriesIn(journalUrl)).flatMap((entry) =>
    entry.kind === 'instance' && entry.node === node ? [entry.state] : [],
  )

/** What a returning client shows. */
const proofOf = async (client: TestClient): Promise<string> => {
  const { session } = await client.first('welcome')
  return `session=${session}&cursor=${client.cursor}`
}

/** Connects to this instance from the other one, as the library does before it leaves. */
const move = async (client: TestClient, name: string, to: TestServer): Promise<TestClient> => {
  const { build } = await client.first('welcome')
  return to.connect(`${name}?avoid=${build}&${await proofOf(client)}`)
}

describe('an instance records in the journal', () => {
  test('that it starts, is ready, is draining, is ready again, and is gone', async () => {
    const server = await instance('one')
    const staying = await server.connect('staying')
    server.shutdown.begin('request')
    expect(server.shutdown.cancel('request')).toBe(true)
    await staying.publish('marker')
    expect(await statesOf(server)).toEqual(['starting', 'ready', 'draining', 'ready'])
    await staying.leave()
    await server.close()
    expect(await statesOf(server)).toEqual(['starting', 'ready', 'draining', 'ready', 'draining', 'gone'])
    expect((await entriesIn(journalUrl)).filter(({ kind }) => kind === 'instance')).toMatchObject(
      Array(6).fill({ build: 'one' }),
    )
  })

  test('that it is draining at once, although it still accepts new clients', async () => {
    const server = await instance('one', { shutdownDelaySeconds: 60 })
    server.shutdown.begin('request')
    await (await server.connect('late')).publish('marker')
    expect(await statesOf(server)).toEqual(['starting', 'ready', 'draining'])
    for (const signal of ['SIGTERM', 'SIGTERM'] as const) server.shutdown.handleSignal(signal)
  })

  test('nothing in a memory: journal, which no other instance reads', async () => {
    const server = await startServer({ presenceIntervalMs: 0 })
    const anna = await server.connect('anna')
    expect(await anna.publish('first')).toBe(1)
    expect(await server.metrics()).toContain('lastcall_instances{state="ready"} 0')
  })
})

test('the welcome names the build', async () => {
  const server = await instance('2026-11-23+abc')
  expect(await (await server.connect('anna')).first('welcome')).toMatchObject({ build: '2026-11-23+abc' })
})

describe('a client that avoids a build', () => {
  const knock = async (server: TestServer, query: string): Promise<number> => {
    const client = await TestClient.connect(`${server.webSocketUrl}/anna?${query}`)
    const outcome = await Promise.race([client.first('welcome').catch(() => undefined), client.closed])
    client.socket.terminate()
    const { code } = await client.closed
    return outcome && 'type' in outcome ? 0 : code
  }

  test('is rejected by that build while another one is ready, and accepted by the other one', async () => {
    const [old, fresh] = [await instance('old'), await instance('new')]
    await reads(fresh, old)
    expect(await old.metrics()).toContain('lastcall_instances{state="ready"} 2')
    expect(await knock(old, 'avoid=old')).toBe(1013)
    expect(await knock(old, 'avoid=other')).toBe(0)
    expect(await knock(fresh, 'avoid=old')).toBe(0)
    expect(await old.metrics()).toContain('lastcall_rejections_total{reason="other_build_ready"} 1')
  })

  test('gets the reason in its language', async () => {
    const [old, fresh] = [await instance('old'), await instance('new')]
    await reads(fresh, old)
    const headers = { 'accept-language': 'en' }
    const client = await TestClient.connect(`${old.webSocketUrl}/anna?avoid=old`, { headers })
    expect(await client.closed).toEqual({ code: 1013, reason: 'Another build is ready: please connect again' })
  })

  test('gets 503 with REJECT_WITH=http', async () => {
    const [old, fresh] = [await instance('old', { rejectWith: 'http' }), await instance('new')]
    await reads(fresh, old)
    const headers = {
      ...{ connection: 'upgrade', upgrade: 'websocket' },
      ...{ 'sec-websocket-version': '13', 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==' },
    }
    const response = await new Promise<{ status: number | undefined; retryAfter: string | undefined }>((resolve) => {
      get(new URL('/ws/anna?avoid=old', old.httpUrl), { headers }, (answer) => {
        resolve({ status: answer.statusCode, retryAfter: answer.headers['retry-after'] })
        answer.resume()
      })
    })
    expect(response).toEqual({ status: 503, retryAfter: '5' })
  })

  test('is accepted by that build while the other instance drains or has ended', async () => {
    const [old, fresh] = [await instance('old'), await instance('new')]
    await reads(fresh, old)
    const staying = await fresh.connect('staying')
    fresh.shutdown.begin('request')
    await staying.publish('marker')
    await readsBack(staying, old)
    expect(await knock(old, 'avoid=old')).toBe(0)
    await staying.leave()
    await fresh.shutdown.waitForShutdown()
    expect(await knock(old, 'avoid=old')).toBe(0)
  })

  test('is accepted by that build while only another instance of the same build is ready', async () => {
    const [old, same] = [await instance('old'), await instance('old')]
    await reads(same, old)
    expect(await knock(old, 'avoid=old')).toBe(0)
  })

  /** Somebody on another instance says something, and it is heard here. */
  async function readsBack(speaker: TestClient, to: TestServer): Promise<void> {
    const listener = await to.connect(`listener-${crypto.randomUUID()}`)
    await speaker.publish('marker two')
    await listener.first('message', ({ data }) => data === 'marker two')
    await listener.leave()
  }
})

describe('the report', () => {
  test('distinguishes clients that have migrated from clients that have left', async () => {
    const [old, fresh] = [await instance('old'), await instance('new')]
    const [first, after, plain, gone, last] = [
      await old.connect('first'),
      await old.connect('after'),
      await old.connect('plain'),
      await old.connect('gone'),
      await old.connect('last'),
    ]
    await reads(fresh, old)
    old.shutdown.begin('request')
    await last.publish('marker')
    // The new instance reads this before any client connects to it.
    const witness = await fresh.connect('witness')
    await last.publish('marker two')
    await witness.first('message', ({ data }) => data === 'marker two')

    await move(first, 'first', fresh)
    await first.leave()
    const proof = await proofOf(after)
    await after.leave()
    await fresh.connect(`after?avoid=old&${proof}`)
    // A plain client that does not know the slots counts as moved, too.
    await plain.leave()
    await fresh.connect('plain')
    await gone.leave()
    await readsWhileDraining(fresh, last)
    expect(old.shutdown.report).toMatchObject({ connectionsAtStart: 5, moved: 3, left: 1, remaining: 1 })

    await move(last, 'last', fresh)
    await last.leave()
    const report = await old.shutdown.waitForShutdown()
    expect(report).toMatchObject({ connectionsAtStart: 5, cameLater: 0, moved: 4, left: 1, lost: 0, remaining: 0 })
  })

  test('counts a closed client as closed although it has reconnected elsewhere', async () => {
    const [old, fresh] = [await instance('old', { shutdownTimeoutSeconds: 0.2 }), await instance('new')]
    const [anna, bob] = [await old.connect('anna'), await old.connect('bob')]
    const proof = await proofOf(anna)
    await reads(fresh, old)
    old.shutdown.begin('request')
    expect(await anna.closed).toMatchObject({ code: 1001 })
    await fresh.connect(`anna?avoid=old&${proof}`)
    await bob.closed
    expect(await old.shutdown.waitForShutdown()).toMatchObject({ closedAtDeadline: 2, moved: 0, left: 0 })
  })

  test('needs no claims in the journal from a single instance', async () => {
    const one = await instance('one')
    await (await one.connect('anna')).publish('marker')
    expect((await entriesIn(journalUrl)).filter(({ kind }) => kind === 'claim')).toEqual([])
    const other = await instance('one')
    await reads(other, one)
    await (await one.connect('borys')).publish('marker')
    const kinds = (await entriesIn(journalUrl)).map(({ kind }) => kind)
    expect(kinds).toContain('roster')
    expect(kinds).toContain('claim')
  })
})

describe('a client that migrates', () => {
  const presence = { presenceIntervalMs: 50 }

  /** The joins (`+anna`) and leaves (`-anna`) that a client received until the join of a marker. */
  async function toldTo(watcher: TestClient, marker: string): Promise<string[]> {
    await watcher.presence(({ joined }) => joined.includes(marker))
    return watcher
      .presenceChanges()
      .flatMap(({ joined, left }) => [...joined.map((name) => `+${name}`), ...left.map((name) => `-${name}`)])
  }

  const about = (names: string[], ...who: string[]): string[] =>
    names.filter((name) => who.some((each) => name.endsWith(each)))

  async function oldAndNew(): Promise<{ old: TestServer; fresh: TestServer; watchers: TestClient[] }> {
    const [old, fresh] = [await instance('old', presence), await instance('new', presence)]
    const watchers = [await old.connect('watch-old'), await fresh.connect('watch-new')] as const
    await reads(fresh, old)
    return { old, fresh, watchers: [...watchers] }
  }

  /** The old one is draining, and the new one knows. */
  async function drain(old: TestServer, [onOld, onNew]: TestClient[]): Promise<void> {
    old.shutdown.begin('request')
    await onOld?.publish('draining')
    await onNew?.first('message', ({ data }) => data === 'draining')
  }

  test('causes no join and no leave on either side, and a leave when it leaves for good', async () => {
    const { old, fresh, watchers } = await oldAndNew()
    const [leaver, mover] = [await old.connect('leaver'), await old.connect('mover')]
    for (const watcher of watchers) await toldTo(watcher, 'mover')
    await drain(old, watchers)
    const moved = await move(mover, 'mover', fresh)
    await readsWhileDraining(fresh, watchers[0] as TestClient)
    await mover.leave()
    await leaver.leave()
    // Each instance has announced the changes after the migration.
    for (const watcher of watchers) await watcher.presence(({ left }) => left.includes('leaver'))
    await fresh.connect('later')
    for (const watcher of watchers) expect(about(await toldTo(watcher, 'later'), 'mover')).toEqual(['+mover'])

    await moved.leave()
    for (const watcher of watchers) await watcher.presence(({ left }) => left.includes('mover'))
  })

  test('causes no leave when the old instance reads its join after the leave, but before it announces the leave', async () => {
    const slow = { presenceIntervalMs: 60_000 }
    const [old, fresh] = [await instance('old', slow), await instance('new', presence)]
    const watchers = [await old.connect('watch-old'), await fresh.connect('watch-new')]
    // The old instance answers the first announcement of the new one with its complete state, which must not contain the two.
    await reads(fresh, old)
    const [mover, leaver] = [await old.connect('mover'), await old.connect('leaver')]
    await drain(old, watchers)
    const proof = await proofOf(mover)
    await Promise.all([mover.leave(), leaver.leave()])
    await fresh.connect(`mover?avoid=old&${proof}`)
    await readsWhileDraining(fresh, watchers[0] as TestClient)
    // At its end the old instance announces the changes of its lifetime: the mover joined and stayed, the leaver was never there.
    await watchers[0]?.leave()
    await old.shutdown.waitForShutdown()
    await fresh.connect('later')
    const [, onNew] = watchers
    expect(about(await toldTo(onNew as TestClient, 'later'), 'mover', 'leaver')).toEqual(['+mover'])
  })

  test('causes a join when its leave was announced before', async () => {
    const { old, fresh, watchers } = await oldAndNew()
    const mover = await old.connect('mover')
    for (const watcher of watchers) await toldTo(watcher, 'mover')
    await drain(old, watchers)
    const proof = await proofOf(mover)
    await mover.leave()
    for (const watcher of watchers) await watcher.presence(({ left }) => left.includes('mover'))
    await fresh.connect(`mover?avoid=old&${proof}`)
    await fresh.connect('later')
    for (const watcher of watchers) {
      expect(about(await toldTo(watcher, 'later'), 'mover')).toEqual(['+mover', '-mover', '+mover'])
    }
  })

  test('must prove its identity: the server rejects another client while the other instance has the client', async () => {
    const { old, fresh, watchers } = await oldAndNew()
    await old.connect('mover')
    for (const watcher of watchers) await toldTo(watcher, 'mover')
    await drain(old, watchers)
    const stranger = await TestClient.connect(`${fresh.webSocketUrl}/mover?avoid=old`)
    expect(await stranger.closed).toMatchObject({ code: 4009 })
    await fresh.connect('later')
    for (const watcher of watchers) expect(about(await toldTo(watcher, 'later'), 'mover')).toEqual(['+mover'])
  })
})
