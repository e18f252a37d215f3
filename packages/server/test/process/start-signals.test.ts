/**
 * Signals that arrive while the command starts, from its first line on, also as PID 1.
 */
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { Command, type CommandOptions } from '../support/command.js'
import { environment, temporaryFolder } from '../support/workers.js'

const SIGHUP = 1

/** Whether a process listens to SIGHUP. Node by itself does not: its entry file does, in its first line. */
function listensToHangup(pid: number): boolean {
  const [, mask = '0'] = /^SigCgt:\s+([0-9a-f]+)/m.exec(readFileSync(`/proc/${String(pid)}/status`, 'utf8')) ?? []
  return (BigInt(`0x${mask}`) & (1n << BigInt(SIGHUP - 1))) !== 0n
}

/** Resolves as soon as the process listens to signals, which is long before it has loaded anything. */
async function listening(pid: number): Promise<void> {
  await vi.waitFor(() => expect(listensToHangup(pid)).toBe(true), { interval: 1, timeout: 60_000 })
}

function start(env: Readonly<Record<string, string>> = {}, options: CommandOptions = {}): Command {
  return Command.start(env, options)
}

const pidOf = ({ child }: Command): number => child.pid ?? -1

const workers = (): Record<string, string> => environment(temporaryFolder())

describe('SIGHUP as soon as the process listens', () => {
  test('does not end it: the server reloads when it serves', async () => {
    const command = start()
    await listening(pidOf(command))
    command.signal('SIGHUP')
    await command.logged('listening')
    await command.logged('reload.done')
  })

  test('with workers starts a second generation after the first', async () => {
    const command = start(workers())
    await listening(pidOf(command))
    command.signal('SIGHUP')
    await command.logged('listening')
    expect(await command.logged('reload.done')).toMatchObject({ generation: 2 })
  })
})

describe.each(['SIGTERM', 'SIGINT'] as const)('%s as soon as the process listens', (signal) => {
  test('ends it with 0 before it serves', async () => {
    const command = start()
    await listening(pidOf(command))
    command.signal(signal)
    expect(await command.exited).toEqual({ code: 0, signal: null })
    expect(command.lines.map(({ event }) => event)).not.toContain('listening')
  })

  test('ends a primary with 0', async () => {
    const command = start(workers())
    await listening(pidOf(command))
    command.signal(signal)
    expect(await command.exited).toEqual({ code: 0, signal: null })
  })
})

test('a signal that arrives while the command takes the signals over is not lost', async () => {
  const command = start({ NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(SIGNAL_AT_TAKEOVER)}` })
  expect(await command.exited).toEqual({ code: 0, signal: null })
  expect(command.lines.map(({ event }) => event)).not.toContain('listening')
})

/** Sends SIGTERM when the first listener for it is removed. The signal then waits for the end of the turn. */
const SIGNAL_AT_TAKEOVER = `
  const { off } = process
  process.off = (name, listener) => {
    if (name === 'SIGTERM') {
      process.off = off
      process.kill(process.pid, 'SIGTERM')
    }
    return off.call(process, name, listener)
  }`

/** Runs a program as PID 1 of a namespace of its own; `undefined`: this user may not on this machine. */
function firstProcess(): readonly string[] | undefined {
  const ways = [
    ['unshare', '--pid', '--fork'],
    ['unshare', '--user', '--map-root-user', '--pid', '--fork'],
  ]
  return ways.find(([program = '', ...args]) => spawnSync(program, [...args, 'true']).status === 0)
}

describe('as PID 1', () => {
  const unshare = firstProcess()
  if (!unshare) console.warn('skipped: this user may not make a PID namespace (unshare --pid)')

  test.skipIf(!unshare)('SIGTERM during the start is not lost', async () => {
    const command = start({}, { through: () => unshare ?? [] })
    const pid = await vi.waitFor(() => childOf(pidOf(command)), { interval: 1, timeout: 60_000 })
    await vi.waitFor(() => expect(readFileSync(`/proc/${String(pid)}/comm`, 'utf8')).toBe('node\n'), {
      interval: 1,
      timeout: 60_000,
    })
    await listening(pid)
    process.kill(pid, 'SIGTERM')
    expect(await command.exited).toEqual({ code: 0, signal: null })
    expect(command.lines.map(({ event }) => event)).not.toContain('listening')
  })
})

function childOf(pid: number): number {
  const [task = ''] = readdirSync(`/proc/${String(pid)}/task`)
  const children = readFileSync(`/proc/${String(pid)}/task/${task}/children`, 'utf8')
  expect(children).toMatch(/\d/)
  const child = parseInt(children, 10)
  onTestFinished(() => {
    try {
      process.kill(child, 'SIGKILL')
    } catch {
      // The process has ended.
    }
  })
  return child
}

test('a signal ends the other commands as it ends other programs', async () => {
  const command = start({}, { through: () => [process.execPath, '--input-type=module', '-e', OTHER_COMMAND] })
  expect(await command.exited).toEqual({ code: 143, signal: null })
})

/** As bin/lastcall.js, with a signal that comes before `token` has loaded what it needs. */
const OTHER_COMMAND = `
  const { run } = await import('${new URL('../../dist/cli.js', import.meta.url).href}')
  await run(['token', '--sub', 'anna'], (listener) => listener('SIGTERM'))`
