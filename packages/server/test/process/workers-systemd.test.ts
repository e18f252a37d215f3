/**
 * The real command with WORKERS, a real notification socket and real socket activation: the primary speaks for all.
 */
import { describe, expect, test, vi } from 'vitest'
import { Command } from '../support/command.js'
import { freePort } from '../support/free-port.js'
import { NotifySocket, PYTHON, type Notification } from '../support/notify-socket.js'
import { lacks } from '../support/programs.js'
import { RawClient } from '../support/raw-client.js'
import { ACTIVATE, NOTIFY, PATH, activated, children, hasStatus, inheritedFromSystemd } from '../support/systemd.js'
import { TestClient } from '../support/test-client.js'
import {
  environment,
  envFile,
  getJson,
  healthy,
  nodeOf,
  reload,
  servingWorkers,
  temporaryFolder,
} from '../support/workers.js'

const ADMIN_TOKEN = 'a token for administrators'

const api = (command: Command, method: string): Promise<Record<string, unknown>> =>
  getJson(command, 'api/shutdown', { method, headers: { authorization: `Bearer ${ADMIN_TOKEN}` } })

const isReady = ({ READY }: Notification): boolean => READY === '1'
const isReloading = ({ RELOADING }: Notification): boolean => RELOADING === '1'
const isStopping = ({ STOPPING }: Notification): boolean => STOPPING === '1'

/** Those of the messages that state the state of the service. */
const states = (notify: NotifySocket): string[] => notify.all('READY', 'RELOADING', 'STOPPING')

describe.skipIf(lacks('Debian: systemd, python3', NOTIFY, PYTHON))('the command with workers notifies systemd', () => {
  async function watched(
    env: Readonly<Record<string, string>> = {},
    folder = temporaryFolder(),
  ): Promise<{ notify: NotifySocket; command: Command }> {
    const notify = await NotifySocket.open()
    const command = await servingWorkers(folder, { NOTIFY_SOCKET: notify.path, PATH, ...env })
    await notify.until(isReady)
    return { notify, command }
  }

  test('once that all workers are ready, and of their status; STOPPING follows when the shutdown is final', async () => {
    const { notify, command } = await watched({ ADMIN_TOKEN })
    await notify.until(hasStatus('Serving 0 connections'))
    const anna = await command.connect('anna')
    const borys = await command.connect('borys')
    expect(await nodeOf(anna)).not.toBe(await nodeOf(borys))

    const beforeDraining = notify.messages.length
    await api(command, 'POST')
    await notify.until(({ EXTEND_TIMEOUT_USEC }) => EXTEND_TIMEOUT_USEC === '60000000', beforeDraining)
    expect((await notify.until(hasStatus('Draining')))['STATUS']).toMatch(
      /^Draining: 2 connections remaining \(0 left, 0 moved, 0 lost\); deadline in (1800|17\d\d) s$/,
    )
    const beforeServing = notify.messages.length
    await api(command, 'DELETE')
    await notify.until(hasStatus('Serving 2 connections'), beforeServing)
    expect(states(notify)).toEqual(['READY=1'])

    const beforeTheEnd = notify.messages.length
    command.signal('SIGTERM')
    await anna.first('shutdown', ({ deadlineInMs }) => deadlineInMs > 0)
    await notify.until(hasStatus('Draining: 2'), beforeTheEnd)
    await anna.leave()
    await command.logged('worker.ended')
    await borys.publish('still here')
    expect(states(notify)).toEqual(['READY=1'])
    await borys.leave()
    expect(await command.exited).toEqual({ code: 0, signal: null })
    await notify.until(hasStatus('All connections have ended'))
    expect(states(notify)).toEqual(['READY=1', 'STOPPING=1'])
    expect(command.other).toEqual([])
  }, 180_000)

  test('that it stops after a second signal', async () => {
    const { notify, command } = await watched({ CLOSE_TIMEOUT: '60' })
    const mute = await RawClient.connect({ host: '127.0.0.1', port: command.port }, 'mute')
    command.signal('SIGTERM')
    await mute.until(({ type }) => type === 'shutdown')
    await notify.until(hasStatus('Draining: 1 connection'))
    expect(states(notify)).toEqual(['READY=1'])
    const soFar = notify.messages.length
    command.signal('SIGTERM')
    expect(await notify.until(() => true, soFar)).toMatchObject({ STOPPING: '1' })
    await notify.until(hasStatus('Closing 1 connection'))
    mute.socket.destroy()
    expect(await command.exited).toEqual({ code: 0, signal: null })
  }, 180_000)

  test('that it stops at the deadline, which the workers know', async () => {
    const { notify, command } = await watched({ CLOSE_TIMEOUT: '60', SHUTDOWN_TIMEOUT: '1', ADMIN_TOKEN })
    const mute = await RawClient.connect({ host: '127.0.0.1', port: command.port }, 'mute')
    await api(command, 'POST')
    await mute.closeFrame
    // A query of the state detects it first; without a query the primary detects it within ten seconds.
    await vi.waitUntil(async () => (await api(command, 'GET'))['state'] === 'closing', { timeout: 60_000 })
    await notify.until(isStopping)
    expect(await api(command, 'DELETE')).toMatchObject({ statusCode: 409 })
    mute.socket.destroy()
    expect(await command.exited).toEqual({ code: 0, signal: null })
  }, 180_000)

  test('of a reload and of its end, also when the reload fails', async () => {
    const folder = temporaryFolder()
    const beforeUsec = Number(process.hrtime.bigint() / 1000n)
    const { notify, command } = await watched({}, folder)
    await reload(command)
    const { MONOTONIC_USEC, EXTEND_TIMEOUT_USEC } = await notify.until(isReloading)
    expect(Number(MONOTONIC_USEC)).toBeGreaterThan(beforeUsec)
    expect(Number(MONOTONIC_USEC)).toBeLessThan(Number(process.hrtime.bigint() / 1000n))
    // A longer time than the limit for the start of the new workers.
    expect(Number(EXTEND_TIMEOUT_USEC)).toBeGreaterThan(120_000_000)
    await vi.waitUntil(() => states(notify).length === 3, { timeout: 60_000 })
    expect(states(notify)).toEqual(['READY=1', 'RELOADING=1', 'READY=1'])

    envFile(folder, 'LOCALE=de\n')
    await reload(command, 'reload.failed')
    await vi.waitUntil(() => states(notify).length === 5, { timeout: 60_000 })
    expect(states(notify).slice(3)).toEqual(['RELOADING=1', 'READY=1'])

    command.signal('SIGTERM')
    expect(await command.exited).toEqual({ code: 0, signal: null })
    await notify.until(isStopping)
    expect(states(notify).slice(5)).toEqual(['STOPPING=1'])
  }, 180_000)

  test('neither that it is ready when a shutdown ends a reload, nor of reloads during a shutdown', async () => {
    const { notify, command } = await watched()
    const anna = await command.connect('anna')
    command.signal('SIGHUP')
    await command.logged('reload.started')
    command.signal('SIGTERM')
    await command.logged('reload.failed', ({ reason }) => reason === 'a shutdown began')
    command.signal('SIGHUP')
    await command.logged('reload.failed', ({ reason }) => reason === undefined)
    await anna.leave()
    expect(await command.exited).toEqual({ code: 0, signal: null })
    await notify.until(isStopping)
    expect(states(notify)).toEqual(['READY=1', 'RELOADING=1', 'STOPPING=1'])
  }, 180_000)

  test('again and again that the primary lives, through a reload and a shutdown', async () => {
    const { notify, command } = await watched({ WATCHDOG_USEC: '100000' })
    const alive = async (): Promise<void> => {
      for (let count = 0; count < 5; count++) {
        await notify.until(({ WATCHDOG }) => WATCHDOG === '1', notify.messages.length)
      }
    }
    const anna = await command.connect('anna')
    await alive()
    await reload(command)
    await alive()
    command.signal('SIGTERM')
    await anna.first('shutdown')
    await alive()
    await anna.leave()
    expect(await command.exited).toEqual({ code: 0, signal: null })
  }, 180_000)

  test('by the primary alone, because the workers do not inherit the socket', async () => {
    const meantForOne = { WATCHDOG_USEC: '60000000', LISTEN_FDS: '1', LISTEN_PID: '1', SYSTEMD_EXEC_PID: '1' }
    const { command } = await watched(meantForOne)
    const workers = command.workerPids
    expect(workers).toHaveLength(2)
    for (const pid of workers) {
      expect(inheritedFromSystemd(pid)).toEqual([])
      expect(children(pid)).toEqual([])
    }
    // The shell that sends the message is another process.
    expect(children(command.child.pid)).toHaveLength(3)
  }, 180_000)

  test('also when it sends SIGTERM to every process of the service', async () => {
    const notify = await NotifySocket.open()
    const env = { NOTIFY_SOCKET: notify.path, PATH }
    const command = await servingWorkers(temporaryFolder(), env, { isGroup: true })
    const anna = await command.connect('anna')
    process.kill(-(command.child.pid as number), 'SIGTERM')
    await anna.first('shutdown')
    await notify.until(hasStatus('Draining: 1'))
    await anna.leave()
    expect(await command.exited).toEqual({ code: 0, signal: null })
    await notify.until(isStopping)
    expect(command.lines.filter(({ event }) => event === 'systemd')).toEqual([])
  }, 180_000)

  test('of nothing when the service was never ready', async () => {
    const notify = await NotifySocket.open()
    const env = { NOTIFY_SOCKET: notify.path, PATH, JOURNAL_URL: 'file:/dev/null' }
    const command = Command.start(environment(temporaryFolder(), env))
    expect((await command.exited).code).toBe(1)
    expect(states(notify)).toEqual([])
  }, 180_000)
})

describe.skipIf(lacks('Debian: systemd', ACTIVATE))('a socket that systemd has opened', () => {
  async function served(env: Readonly<Record<string, string>> = {}): Promise<{ command: Command; early: TestClient }> {
    const port = await freePort()
    const elsewhere = { HOST: '203.0.113.1', PORT: '1' }
    const args = ['-l', `127.0.0.1:${String(port)}`]
    const command = activated(args, environment(temporaryFolder(), { ...elsewhere, ...env }))
    await command.said('Listening on')
    const early = await TestClient.connect(`ws://127.0.0.1:${String(port)}/ws/early`)
    expect(await command.logged('listening')).toMatchObject({ host: '127.0.0.1', port, workers: 2 })
    return { command, early }
  }

  test('is served by all workers, also after a reload', async () => {
    const { command, early } = await served()
    const nodes = new Set([await nodeOf(early)])
    for (const name of ['anna', 'borys']) nodes.add(await nodeOf(await command.connect(name)))
    expect(nodes.size).toBe(2)

    await reload(command)
    const newcomers = [await command.connect('cecil'), await command.connect('dora')]
    for (const newcomer of newcomers) nodes.add(await nodeOf(newcomer))
    expect(nodes.size).toBe(4)
    await early.publish('to all')
    await newcomers[1]?.first('message', ({ data }) => data === 'to all')

    command.signal('SIGTERM')
    await newcomers[0]?.first('shutdown')
    command.signal('SIGTERM')
    expect(await command.exited).toEqual({ code: 0, signal: null })
  }, 180_000)

  test('survives the crash of a worker, but not that of the last one, after which the command exits with 1', async () => {
    const { command } = await served()
    const [first, second] = command.workerPids as [number, number]
    process.kill(first, 'SIGKILL')
    await command.logged('worker.started', ({ pid }) => ![first, second].includes(pid as number))
    await healthy(command, { workers: { asked: 2, answered: 2 } })
    await command.connect('anna')

    for (const pid of command.workerPids) process.kill(pid, 'SIGKILL')
    expect(await command.exited).toEqual({ code: 1, signal: null })
    expect((await command.logged('error'))['msg']).toContain('closed the inherited socket')
  }, 180_000)

  test('beside a second one leads to an error and exit code 1', async () => {
    const port = await freePort()
    const args = ['-l', String(port), '-l', String(await freePort())]
    const command = activated(args, environment(temporaryFolder()))
    await command.said('Listening on')
    await TestClient.connect(`ws://127.0.0.1:${String(port)}/ws`).catch((error: unknown) => error)
    expect(await command.exited).toEqual({ code: 1, signal: null })
    expect((await command.logged('error'))['msg']).toContain('LISTEN_FDS="2"')
  })

  test('of another kind leads to an error and the end', async () => {
    const path = `${temporaryFolder()}/socket`
    const command = activated(['-l', path], environment(temporaryFolder()))
    await command.said('Listening on')
    await TestClient.connect(`ws+unix://${path}:/ws`).catch((error: unknown) => error)
    expect((await command.exited).code).not.toBe(0)
    expect((await command.logged('error'))['msg']).toContain('is not a TCP socket that can listen')
  })
})
