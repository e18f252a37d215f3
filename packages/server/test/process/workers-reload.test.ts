/** SIGHUP to the command with WORKERS: new workers replace the old ones, and no client is rejected. */
import { copyFileSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { CA, certFile, keyFile, shownAt, type Certificate } from '../support/certificates.js'
import { Command } from '../support/command.js'
import { TestClient } from '../support/test-client.js'
import { environment, envFile, healthy, nodeOf, reload, servingWorkers, temporaryFolder } from '../support/workers.js'

const COMMAND = fileURLToPath(new URL('../../bin/lastcall.js', import.meta.url))

/** Connects, publishes and disconnects again and again, and counts the results until it is stopped. */
class Knocking {
  visits = 0
  readonly refused: string[] = []
  #isOver = false
  readonly #over: Promise<void>

  constructor(command: Command, name: string) {
    this.#over = this.#knock(command, name)
  }

  async #knock(command: Command, name: string): Promise<void> {
    while (!this.#isOver) {
      try {
        const client = await TestClient.connect(`${command.webSocketUrl}/${name}${String(this.visits++)}`)
        await client.publish(this.visits)
        const { code } = await client.leave()
        if (code !== 1000) this.refused.push(`closed with ${String(code)}`)
      } catch (error) {
        this.refused.push(String(error))
      }
    }
  }

  async stop(): Promise<void> {
    this.#isOver = true
    await this.#over
  }
}

describe('a reload', () => {
  test('keeps and warns the connected clients, accepts new ones with the new configuration, and rejects none', async () => {
    const folder = temporaryFolder()
    const command = await Command.serving({ ...environment(folder), ENV_FILE: envFile(folder, 'BUILD=old\n') })
    const [anna, borys] = [await command.connect('anna'), await command.connect('borys')]
    const knocks = ['k', 'l'].map((name) => new Knocking(command, name))
    envFile(folder, 'BUILD=new\n')
    expect(await reload(command)).toMatchObject({ generation: 2, workers: 2 })
    for (const client of [anna, borys]) {
      expect(await client.first('shutdown')).toMatchObject({
        phase: 'warning',
        leaveInMs: expect.any(Number) as number,
      })
    }
    await healthy(command, { status: 'healthy', build: 'new', workers: { asked: 4, answered: 4 } })
    expect((await fetch(new URL('ready', command.httpUrl))).status).toBe(200)

    const cecil = await command.connect('cecil')
    await anna.publish('to all')
    await cecil.first('message', ({ data }) => data === 'to all')
    await cecil.publish('to all again')
    await borys.first('message', ({ data }) => data === 'to all again')
    const nodes = await Promise.all([anna, borys].map(nodeOf))
    expect(nodes).not.toContain(await nodeOf(cecil))

    await Promise.all([anna.leave(), borys.leave()])
    const report = await command.logged('shutdown.report')
    expect(report).toMatchObject({ why: 'reload', generation: 1, remaining: 0, lost: 0 })
    await Promise.all(knocks.map((each) => each.stop()))
    for (const { visits, refused } of knocks) {
      expect(refused).toEqual([])
      expect(visits).toBeGreaterThan(5)
    }
    expect(cecil.all('shutdown')).toEqual([])

    command.signal('SIGTERM')
    await cecil.first('shutdown')
    await cecil.leave()
    expect(await command.exited).toEqual({ code: 0, signal: null })
    expect(command.other).toEqual([])
  }, 180_000)

  test('with a broken configuration leaves the old workers serving and logs the reason', async () => {
    const folder = temporaryFolder()
    const command = await servingWorkers(folder)
    const anna = await command.connect('anna')
    const pids = command.workerPids
    envFile(folder, 'LOCALE=de\n')
    expect(await reload(command, 'reload.failed')).toMatchObject({
      level: 'error',
      generation: 2,
      reason: expect.stringContaining('LOCALE in ENV_FILE="de": must be uk or en') as string,
    })
    await anna.publish('still here')
    expect(anna.all('shutdown')).toEqual([])
    expect(command.workerPids).toEqual(pids)
  }, 180_000)

  test('with a configuration that fails only in use logs the reason, too', async () => {
    const folder = temporaryFolder()
    const put = (journal: string): string => envFile(folder, `JOURNAL_URL=file:${journal}\n`)
    const journal = join(folder, 'journal')
    const command = await Command.serving({ ...environment(folder), JOURNAL_URL: '', ENV_FILE: put(journal) })
    put('/dev/null')
    expect((await reload(command, 'reload.failed'))['reason']).toContain('/dev/null')
    put(journal)
    expect(await reload(command)).toMatchObject({ generation: 3 })
  }, 180_000)

  test('that would end the requirement of tokens is rejected', async () => {
    const folder = temporaryFolder()
    const command = await servingWorkers(folder, { WORKERS: '1' })
    envFile(folder, 'AUTH_SECRET=a secret of more than thirty-two bytes\n')
    await reload(command)
    expect(await (await TestClient.connect(`${command.webSocketUrl}/anna`)).closed).toMatchObject({ code: 1008 })
    envFile(folder)
    expect((await reload(command, 'reload.failed'))['reason']).toContain('AUTH_*')
    expect(await (await TestClient.connect(`${command.webSocketUrl}/anna`)).closed).toMatchObject({ code: 1008 })
  }, 180_000)

  test('follows a symbolic link to another build', async () => {
    const folder = temporaryFolder()
    for (const build of ['one', 'two', 'broken']) {
      mkdirSync(join(folder, build))
      const program = build === 'broken' ? 'throw new Error("a bad day")' : `await import(${JSON.stringify(COMMAND)})`
      writeFileSync(join(folder, build, 'cli.mjs'), `process.env.BUILD = '${build}'\n${program}\n`)
    }
    const current = join(folder, 'current')
    const deploy = (build: string): void => {
      rmSync(current, { force: true })
      symlinkSync(join(folder, build), current)
    }
    deploy('one')
    const command = await servingWorkers(folder, {}, { file: join(current, 'cli.mjs') })
    await healthy(command, { build: 'one' })
    deploy('two')
    await reload(command)
    await healthy(command, { build: 'two' })
    deploy('broken')
    expect((await reload(command, 'reload.failed'))['reason']).toContain('a bad day')
    await healthy(command, { build: 'two' })
  }, 180_000)

  test('starts another number of workers, and asks idle HTTP connections to close', async () => {
    const folder = temporaryFolder()
    const command = await Command.serving({
      ...environment(folder),
      WORKERS: '',
      ENV_FILE: envFile(folder, 'WORKERS=1\n'),
    })
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    const get = (): Promise<string | undefined> =>
      new Promise((resolve, reject) => {
        request(new URL('ready', command.httpUrl), { agent }, (response) => {
          response.resume()
          response.on('end', () => resolve(response.headers.connection))
        })
          .on('error', reject)
          .end()
      })
    expect(await get()).toBe('keep-alive')
    envFile(folder, 'WORKERS=3\n')
    await reload(command)
    // This connection belongs to an old worker, and the next one does not.
    expect(await get()).toBe('close')
    expect(await get()).toBe('keep-alive')
    await command.logged('worker.ended')
    await healthy(command, { workers: { asked: 3, answered: 3 } })
    agent.destroy()

    envFile(folder, '')
    expect((await reload(command, 'reload.failed'))['reason']).toContain('WORKERS')
  }, 180_000)

  test('during a reload follows it once', async () => {
    const command = await servingWorkers(temporaryFolder(), { WORKERS: '1' })
    command.signal('SIGHUP')
    await command.logged('reload.started')
    for (let times = 2; times <= 3; times++) {
      command.signal('SIGHUP')
      await command.logged('reload.started', (line) => {
        const all = command.lines.filter(({ event }) => event === 'reload.started')
        return all.indexOf(line) === times - 1
      })
    }
    await command.logged('reload.done', ({ generation }) => generation === 3)
    await reload(command)
    expect(command.lines.filter(({ event }) => event === 'reload.done').map(({ generation }) => generation)).toEqual([
      2, 3, 4,
    ])
  }, 180_000)

  test('for the fifth time ends the waiting of the oldest generation', async () => {
    const command = await servingWorkers(temporaryFolder(), { WORKERS: '1' })
    const clients: TestClient[] = []
    for (let generation = 1; generation <= 5; generation++) {
      clients.push(await command.connect(`c${String(generation)}`))
      if (generation < 5) await reload(command)
    }
    expect(await clients[0]?.closed).toMatchObject({ code: 1001 })
    expect(await command.logged('shutdown.report')).toMatchObject({ generation: 1, closedAtDeadline: 1, remaining: 0 })
    await clients[1]?.publish('still here')
    await clients[4]?.first('message', ({ data }) => data === 'still here')

    command.signal('SIGTERM')
    await Promise.all(
      clients.slice(1).map(async (client) => {
        await client.first('shutdown')
        await client.leave()
      }),
    )
    expect(await command.exited).toEqual({ code: 0, signal: null })
    const reports = command.lines.filter(({ event }) => event === 'shutdown.report')
    expect(reports.at(-1)).toMatchObject({ left: 4, remaining: 0, workers: 4 })
  }, 180_000)

  test('is ended by SIGTERM', async () => {
    const command = await servingWorkers(temporaryFolder())
    const anna = await command.connect('anna')
    command.signal('SIGHUP')
    await command.logged('reload.started')
    command.signal('SIGTERM')
    await anna.first('shutdown')
    await anna.leave()
    expect(await command.exited).toEqual({ code: 0, signal: null })
    expect(command.lines.some(({ event }) => event === 'reload.done')).toBe(false)
    expect(await command.logged('reload.failed')).toMatchObject({ reason: 'a shutdown began' })
  })

  test('presents the new certificate to new clients', async () => {
    const folder = temporaryFolder()
    const files = { TLS_CERT: join(folder, 'cert.pem'), TLS_KEY: join(folder, 'key.pem') }
    const put = (of: Certificate): void => {
      copyFileSync(certFile(of), files.TLS_CERT)
      copyFileSync(keyFile(of), files.TLS_KEY)
    }
    put('first')
    const command = await servingWorkers(folder, files)
    const anna = await command.connect('anna', { ca: CA })
    expect(await shownAt(command.port)).toBe('first')
    copyFileSync(certFile('second'), files.TLS_CERT)
    expect((await reload(command, 'reload.failed'))['reason']).toContain('TLS_KEY')
    expect(await shownAt(command.port)).toBe('first')
    put('second')
    await reload(command)
    expect(await shownAt(command.port)).toBe('second')
    await anna.publish('still here')
  }, 180_000)
})
