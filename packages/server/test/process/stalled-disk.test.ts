/**
 * The command on a disk that stops answering: it reports this and ends.
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test, vi } from 'vitest'
import { Command } from '../support/command.js'
import { isAlive } from '../support/workers.js'
import { removeFolder } from '../support/remove-folder.js'

const PRELOAD = fileURLToPath(new URL('../journal/fixtures/stalling-disk.mjs', import.meta.url))

test.skipIf(process.platform === 'win32')(
  'a shutdown ends while the disk does not answer, and does not exit with 0',
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'lastcall-stalled-'))
    onTestFinished(() => removeFolder(folder))
    const pipe = join(folder, 'pipe')
    expect(spawnSync('mkfifo', [pipe]).status).toBe(0)
    const command = await Command.serving({
      JOURNAL_URL: `file:${join(folder, 'journal')}`,
      JOURNAL_TIMEOUT: '0.3',
      SHUTDOWN_TIMEOUT: '1',
      CLOSE_TIMEOUT: '0.5',
      NODE_OPTIONS: `--import=${PRELOAD}`,
      STALL_PIPE: pipe,
    })
    const client = await command.connect('anna')
    await client.publish('before')
    command.signal('SIGUSR2')
    await command.said('stalled true')
    client.send({ type: 'message', id: 'a-1', data: 'lost' })
    expect(await client.first('error')).toMatchObject({ code: 'journal_unavailable', id: 'a-1' })
    expect(await command.logged('journal.unavailable')).toMatchObject({ level: 'error' })
    const health = await fetch(new URL('/health', command.httpUrl))
    expect(await health.json()).toMatchObject({ journal: 'down' })
    command.signal('SIGTERM')
    expect(await command.logged('shutdown.given_up')).toMatchObject({ givenUp: ['the journal'] })
    expect(await command.exited).not.toMatchObject({ code: 0 })
  },
)

/** Whether a thread of this process waits for a writer of a named pipe, as it would wait for a disk. */
function isStalled(pid: number): boolean {
  const tasks = `/proc/${String(pid)}/task`
  return readdirSync(tasks).some((task) => readFileSync(`${tasks}/${task}/wchan`, 'utf8') === 'wait_for_partner')
}

/** A journal whose first read does not return. */
function stalledJournal(): string {
  const folder = mkdtempSync(join(tmpdir(), 'lastcall-stalled-'))
  onTestFinished(() => removeFolder(folder))
  const path = join(folder, 'journal')
  mkdirSync(path)
  expect(spawnSync('mkfifo', [join(path, 'checkpoint')]).status).toBe(0)
  return path
}

test.skipIf(process.platform !== 'linux')(
  'SIGTERM ends a server whose journal does not open, because the disk does not answer',
  async () => {
    const command = Command.start({ JOURNAL_URL: `file:${stalledJournal()}`, CLOSE_TIMEOUT: '0.5' })
    await vi.waitFor(() => expect(isStalled(command.child.pid ?? -1)).toBe(true), { timeout: 60_000 })
    command.signal('SIGTERM')
    expect(await command.exited).toEqual({ code: null, signal: 'SIGKILL' })
    expect(await command.logged('shutdown.given_up')).toMatchObject({ level: 'error', givenUp: ['the start'] })
  },
)

test.skipIf(process.platform !== 'linux')(
  'SIGTERM ends a primary whose worker does not open its journal, because the disk does not answer',
  { timeout: 180_000 },
  async () => {
    const limits = { SHUTDOWN_TIMEOUT: '1', CLOSE_TIMEOUT: '0.5' }
    const command = Command.start({ WORKERS: '1', JOURNAL_URL: `file:${stalledJournal()}`, ...limits })
    const worker = await vi.waitFor(() => childOf(command.child.pid ?? -1), { timeout: 60_000 })
    await vi.waitFor(() => expect(isStalled(worker)).toBe(true), { timeout: 60_000 })
    command.signal('SIGTERM')
    await command.exited
    await vi.waitFor(() => expect(isAlive(worker)).toBe(false), { timeout: 60_000 })
  },
)

function childOf(pid: number): number {
  const children = readFileSync(`/proc/${String(pid)}/task/${String(pid)}/children`, 'utf8')
  expect(children).toMatch(/\d/)
  return parseInt(children, 10)
}
