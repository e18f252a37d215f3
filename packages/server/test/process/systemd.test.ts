/**
 * The real command with a real notification socket and real socket activation, by systemd's own tools.
 */
import { mkdtempSync, readdirSync, readlinkSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { Command } from '../support/command.js'
import { freePort } from '../support/free-port.js'
import { NotifySocket, PYTHON } from '../support/notify-socket.js'
import { lacks } from '../support/programs.js'
import { ACTIVATE, NOTIFY, PATH, activated, children, hasStatus, inheritedFromSystemd } from '../support/systemd.js'
import { TestClient } from '../support/test-client.js'
import { removeFolder } from '../support/remove-folder.js'

const folder = (): string => {
  const path = mkdtempSync(join(tmpdir(), 'lastcall-systemd-'))
  onTestFinished(() => removeFolder(path))
  return path
}

describe.skipIf(lacks('Debian: systemd, python3', NOTIFY, PYTHON))('the command notifies systemd', () => {
  test('that the server is ready when it listens, and of its status', async () => {
    const notify = await NotifySocket.open()
    const command = await Command.serving({ NOTIFY_SOCKET: notify.path, PATH })
    expect(await notify.until(() => true)).toEqual({ READY: '1', STATUS: 'Serving 0 connections' })
    expect(command.other).toEqual([])
  })

  test('of a shutdown that can still be cancelled, but not that the service stops', async () => {
    const notify = await NotifySocket.open()
    const ADMIN_TOKEN = 'a token of sixteen bytes or more'
    const command = await Command.serving({ NOTIFY_SOCKET: notify.path, PATH, ADMIN_TOKEN })
    await command.connect('anna')
    const ask = (method: string): Promise<Response> =>
      fetch(new URL('api/shutdown', command.httpUrl), { method, headers: { authorization: `Bearer ${ADMIN_TOKEN}` } })

    await ask('POST')
    const draining = await notify.until(hasStatus('Draining'))
    expect(draining['EXTEND_TIMEOUT_USEC']).toBe('60000000')
    expect(draining['STATUS']).toMatch(
      /^Draining: 1 connection remaining \(0 left, 0 moved, 0 lost\); deadline in (1800|17\d\d) s$/,
    )
    const toldSoFar = notify.messages.length
    await ask('DELETE')
    expect(await notify.until(hasStatus('Serving'), toldSoFar)).toEqual({ STATUS: 'Serving 1 connection' })
    expect(notify.all('READY', 'STOPPING')).toEqual(['READY=1'])

    command.signal('SIGTERM')
    await notify.until(hasStatus('Draining'), toldSoFar)
    command.signal('SIGTERM')
    expect(await command.exited).toEqual({ code: 0, signal: null })
    const closing = await notify.until(({ STOPPING }) => STOPPING === '1')
    expect(closing['EXTEND_TIMEOUT_USEC']).toBe('60000000')
    expect(notify.all('READY', 'STOPPING')).toEqual(['READY=1', 'STOPPING=1'])
  })

  test('that the service stops even when it ends at once', async () => {
    const notify = await NotifySocket.open()
    const command = await Command.serving({ NOTIFY_SOCKET: notify.path, PATH })
    command.signal('SIGTERM')
    expect(await command.exited).toEqual({ code: 0, signal: null })
    await notify.until(({ STOPPING }) => STOPPING === '1')
  })

  test('also when it sends SIGTERM to every process of the service', async () => {
    const notify = await NotifySocket.open()
    const command = await Command.serving({ NOTIFY_SOCKET: notify.path, PATH })
    const anna = await command.connect('anna')
    const [shell = 0] = children(command.child.pid)
    process.kill(shell, 'SIGTERM')
    command.signal('SIGTERM')
    await notify.until(hasStatus('Draining'))
    await anna.leave()
    await notify.until(({ STOPPING }) => STOPPING === '1')
    expect(await command.exited).toEqual({ code: 0, signal: null })
    expect(command.lines.filter(({ event }) => event === 'systemd')).toEqual([])
  })

  test('again and again that the server lives, if WatchdogSec is set', async () => {
    const notify = await NotifySocket.open()
    await Command.serving({ NOTIFY_SOCKET: notify.path, PATH, WATCHDOG_USEC: '100000' })
    for (let count = 0; count < 5; count++) {
      await notify.until(({ WATCHDOG }) => WATCHDOG === '1', notify.messages.length)
    }
  })

  test('of no life if WATCHDOG_PID names another process', async () => {
    const notify = await NotifySocket.open()
    const env = { NOTIFY_SOCKET: notify.path, PATH, WATCHDOG_USEC: '1000', WATCHDOG_PID: '1' }
    const command = await Command.serving(env)
    await notify.until(({ READY }) => READY === '1')
    command.signal('SIGTERM')
    await command.exited
    await notify.until(({ STOPPING }) => STOPPING === '1')
    expect(notify.all('WATCHDOG')).toEqual([])
  })

  test('by a process that does not inherit the watchdog and the sockets', async () => {
    const notify = await NotifySocket.open()
    const env = { NOTIFY_SOCKET: notify.path, PATH, WATCHDOG_USEC: '60000000', LISTEN_FDS: '1', LISTEN_PID: '1' }
    const command = await Command.serving(env)
    await notify.until(({ READY }) => READY === '1')
    const [shell = 0] = children(command.child.pid)
    expect(inheritedFromSystemd(shell)).toEqual([])
  })

  test('by a new shell when the old one was killed', async () => {
    const notify = await NotifySocket.open()
    const command = await Command.serving({ NOTIFY_SOCKET: notify.path, PATH, WATCHDOG_USEC: '100000' })
    await notify.until(({ READY }) => READY === '1')
    const [shell = 0] = children(command.child.pid)
    process.kill(shell, 'SIGKILL')
    await notify.until(({ WATCHDOG }) => WATCHDOG === '1', notify.messages.length + 1)
  })
})

describe('a report that cannot be delivered', () => {
  test.each([
    ['there is no systemd-notify', (path: string) => symlinkSync('/bin/sh', join(path, 'sh')), 'not found'],
    ['there is no shell', () => undefined, 'ENOENT'],
  ])('because %s is logged once, and the server serves on', async (_, fill, reason) => {
    const path = folder()
    fill(path)
    const env = { NOTIFY_SOCKET: join(path, 'nobody'), PATH: path, WATCHDOG_USEC: '2000' }
    const command = await Command.serving(env)
    const { error } = await command.logged('systemd')
    expect((error as { message: string }).message).toContain(reason)
    const anna = await command.connect('anna')
    await anna.publish('hello')
    await anna.leave()
    command.signal('SIGTERM')
    expect(await command.exited).toEqual({ code: 0, signal: null })
    expect(command.lines.filter(({ event }) => event === 'systemd')).toHaveLength(1)
  })

  test('is not attempted without NOTIFY_SOCKET', async () => {
    const command = await Command.serving({ PATH, WATCHDOG_USEC: '1000' })
    await command.connect('anna')
    expect(children(command.child.pid)).toEqual([])
  })
})

describe('the time that is granted to a shutdown', () => {
  const grace = async (env: Readonly<Record<string, string>>): Promise<unknown[]> => {
    // The shell execs the command, which then has the pid of the shell, as with systemd.
    const command = Command.start(
      { ...env, PATH },
      { through: () => ['sh', '-c', 'SYSTEMD_EXEC_PID=$$ exec "$@"', 'sh'] },
    )
    await command.logged('listening')
    return command.lines
      .filter(({ event }) => event === 'shutdown.grace')
      .map((line) => line['terminationGraceSeconds'])
  }

  test('is extended as long as needed with Type=notify', async () => {
    expect(await grace({ NOTIFY_SOCKET: join(folder(), 'nobody'), TERMINATION_GRACE_SECONDS: '90' })).toEqual([])
  })

  test('is unknown for a service of another type, and the log reports it', async () => {
    expect(await grace({})).toEqual([undefined])
  })

  test('is TERMINATION_GRACE_SECONDS, if that is set', async () => {
    expect(await grace({ TERMINATION_GRACE_SECONDS: '90' })).toEqual([90])
    expect(await grace({ TERMINATION_GRACE_SECONDS: '1830' })).toEqual([])
  })
})

describe.skipIf(lacks('Debian: systemd', ACTIVATE))('a socket that systemd has opened', () => {
  test('is served instead of HOST and PORT, beginning with clients that connected before the start', async () => {
    const port = await freePort()
    const command = activated(['-l', `127.0.0.1:${String(port)}`], { HOST: '203.0.113.1', PORT: '1' })
    await command.said('Listening on')
    const early = await TestClient.connect(`ws://127.0.0.1:${String(port)}/ws/early`)
    expect(await early.first('welcome')).toMatchObject({ clientId: 'early', active: 1 })
    expect(await command.logged('listening')).toMatchObject({ host: '127.0.0.1', port })
    const late = await command.connect('late')
    await late.leave()
    await early.leave()
    command.signal('SIGTERM')
    expect(await command.exited).toEqual({ code: 0, signal: null })
  })

  test('is not inherited by children', async () => {
    const port = await freePort()
    // The test never binds this socket: messages to it are lost, and the shell that sends them still runs.
    const env = { NOTIFY_SOCKET: join(folder(), 'nobody') }
    const command = activated(['-l', `127.0.0.1:${String(port)}`], env)
    await command.said('Listening on')
    await TestClient.connect(`ws://127.0.0.1:${String(port)}/ws/anna`)
    const socketsOf = (pid: number): string[] =>
      readdirSync(`/proc/${String(pid)}/fd`)
        .map((fd) => readlinkSync(`/proc/${String(pid)}/fd/${fd}`))
        .filter((target) => target.startsWith('socket:'))
    const listening = readlinkSync(`/proc/${String(command.child.pid)}/fd/3`)
    expect(listening).toMatch(/^socket:/)
    const [shell = 0] = children(command.child.pid)
    expect(socketsOf(shell)).not.toContain(listening)
  })

  test.each([
    ['two of them', (port: number, other: number) => ['-l', String(port), '-l', String(other)], 'LISTEN_FDS="2"'],
    ['a connection instead', (port: number) => ['-l', String(port), '--accept'], 'is not a TCP socket that can listen'],
  ])('%s: an error that says so, and 1', async (_, args, reason) => {
    const port = await freePort()
    const command = activated(args(port, await freePort()))
    await command.said('Listening on')
    const visitor = await TestClient.connect(`ws://127.0.0.1:${String(port)}/ws`).catch((error: unknown) => error)
    expect(visitor).toBeInstanceOf(Error)
    expect((await command.logged('error'))['msg']).toContain(reason)
  })

  test('of another kind leads to an error and exit code 1', async () => {
    const path = join(folder(), 'socket')
    const command = activated(['-l', path])
    await command.said('Listening on')
    await TestClient.connect(`ws+unix://${path}:/ws`).catch((error: unknown) => error)
    expect(await command.exited).toEqual({ code: 1, signal: null })
    expect((await command.logged('error'))['msg']).toContain('is not a TCP socket that can listen')
  })

  test('of another process is left alone', async () => {
    const command = await Command.serving({ LISTEN_FDS: '1', LISTEN_PID: '1' })
    await command.connect('anna')
  })
})

test('LISTEN_FDS without a socket leads to an error', async () => {
  const command = Command.start(
    { PATH, LISTEN_FDS: '1' },
    { through: () => ['sh', '-c', 'LISTEN_PID=$$ exec "$@"', 'sh'] },
  )
  expect(await command.exited).toEqual({ code: 1, signal: null })
  expect((await command.logged('error'))['msg']).toContain('is not a TCP socket that can listen')
})
