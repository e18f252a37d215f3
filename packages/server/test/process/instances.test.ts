/** Several instances of the real command that share a journal: what each knows of the others. */
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { Command } from '../support/command.js'
import { TestClient } from '../support/test-client.js'
import { removeFolder } from '../support/remove-folder.js'

const ADMIN_TOKEN = 'a token for the operator'

let env: Record<string, string>

beforeEach(() => {
  const folder = mkdtempSync(join(tmpdir(), 'lastcall-instances-'))
  onTestFinished(() => removeFolder(folder))
  env = {
    JOURNAL_URL: `file:${folder}`,
    ADMIN_TOKEN,
    SESSION_SECRET: 'a secret that all instances have in common',
    INSTANCE_TIMEOUT: '3',
  }
})

interface Listed {
  readonly node: string
  readonly build: string
  readonly state: string
  readonly connections: number
}

async function instancesOf(command: Command): Promise<Listed[]> {
  const answer = await fetch(new URL('/api/instances', command.httpUrl), {
    headers: { authorization: `Bearer ${ADMIN_TOKEN}` },
  })
  return ((await answer.json()) as { instances: Listed[] }).instances
}

/** Asks until the answer fits: the journal brings the news. */
async function until(command: Command, fits: (instances: readonly Listed[]) => boolean): Promise<Listed[]> {
  for (;;) {
    const instances = await instancesOf(command)
    if (fits(instances)) return instances
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

describe('the list of instances', () => {
  test('is the same on each instance, with the build, the state and the connections of all', async () => {
    const a = await Command.serving({ ...env, BUILD: 'one' })
    const b = await Command.serving({ ...env, BUILD: 'two' })
    await a.connect('anna')
    for (const command of [a, b]) {
      const instances = await until(command, (all) => all.some(({ connections }) => connections === 1))
      expect(instances.map(({ build, state }) => `${build} ${state}`).toSorted()).toEqual(['one ready', 'two ready'])
    }
  })

  test('omits an instance that ended a moment after its last client left', async () => {
    const a = await Command.serving(env)
    const b = await Command.serving(env)
    await until(a, ({ length }) => length === 2)
    const anna = await a.connect('anna')
    a.signal('SIGTERM')
    await anna.first('shutdown')
    await anna.leave()
    expect(await a.exited).toEqual({ code: 0, signal: null })
    // The instance was not lost by its lease, because no instance logged that.
    expect(await until(b, ({ length }) => length === 1)).toMatchObject([{ state: 'ready' }])
    expect(b.lines.filter(({ event }) => event === 'instance.lost')).toEqual([])
  })

  test('omits a killed instance after INSTANCE_TIMEOUT, and its clients have left', async () => {
    const a = await Command.serving(env)
    const b = await Command.serving(env)
    await until(b, ({ length }) => length === 2)
    await a.connect('anna')
    const bob = await b.connect('bob')
    await bob.until(
      ({ type, ...message }) => type === 'presence' && JSON.stringify(message).includes('"joined":["anna"]'),
    )
    a.signal('SIGKILL')
    const left = await bob.until(
      ({ type, ...message }) => type === 'presence' && JSON.stringify(message).includes('"left":["anna"]'),
    )
    expect(left).toMatchObject({ changes: [{ channel: 'lobby', left: ['anna'], count: 1 }] })
    expect(await instancesOf(b)).toHaveLength(1)
  })
})

test('a client that loses its instance keeps its name on another one, which closes the older connection', async () => {
  const a = await Command.serving(env)
  const b = await Command.serving(env)
  await until(a, ({ length }) => length === 2)
  const anna = await a.connect('anna')
  const { session } = await anna.first('welcome')
  // From here on B knows the holder of the name, so its own claim is certainly the later one.
  await until(b, (all) => all.some(({ connections }) => connections === 1))
  const again = await b.connect(`anna?session=${session}`)
  expect(await again.first('welcome')).toMatchObject({ session })
  expect(await anna.closed).toMatchObject({ code: 4001 })
})

test('an instance rejects another client under a name that another instance holds', async () => {
  const a = await Command.serving(env)
  const b = await Command.serving(env)
  await until(a, ({ length }) => length === 2)
  await a.connect('anna')
  await until(b, (all) => all.some(({ connections }) => connections === 1))
  const stranger = await TestClient.connect(`${b.webSocketUrl}/anna`, { protocol: 'lastcall.v1' })
  expect(await stranger.closed).toMatchObject({ code: 4009 })
  expect(stranger.messages).toMatchObject([{ type: 'rejected', code: 4009, retryInMs: 5000 }])
})
