/**
 * The command with workers, on a file journal in a folder of its own.
 */
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, vi } from 'vitest'
import { Command, type CommandOptions, type LogLine } from './command.js'
import type { TestClient } from './test-client.js'
import { removeFolder } from './remove-folder.js'

/** Removed when the test is over. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'lastcall-workers-'))
  onTestFinished(() => removeFolder(folder))
  return folder
}

/** The common configuration: two workers, without periodic messages and presence, which would disturb the tests. */
export const environment = (folder: string, env: Readonly<Record<string, string>> = {}): Record<string, string> => ({
  WORKERS: '2',
  JOURNAL_URL: `file:${join(folder, 'journal')}`,
  PRESENCE_INTERVAL: '0',
  MAX_MESSAGES_PER_MINUTE: '0',
  ENV_FILE: envFile(folder),
  ...env,
})

/** Writes ENV_FILE. */
export function envFile(folder: string, content = ''): string {
  const file = join(folder, 'lastcall.env')
  writeFileSync(file, content)
  return file
}

export function servingWorkers(
  folder: string,
  env: Readonly<Record<string, string>> = {},
  options: CommandOptions = {},
): Promise<Command> {
  return Command.serving(environment(folder, env), options)
}

/** Which worker a client is connected to, by the name of its instance. */
export const nodeOf = async (client: TestClient): Promise<string> => (await client.first('welcome')).node

/** Sends SIGHUP and waits until the reload has come to an end. */
export async function reload(
  command: Command,
  event: 'reload.done' | 'reload.failed' = 'reload.done',
): Promise<LogLine> {
  const before = command.lines.filter((line) => line.event === event).length
  command.signal('SIGHUP')
  return command.logged(event, (line) => command.lines.filter((each) => each.event === event).indexOf(line) === before)
}

/** The answer of `/health` or another route. */
export async function getJson(command: Command, path: string, init?: RequestInit): Promise<Record<string, unknown>> {
  const answer = await fetch(new URL(path, command.httpUrl), init)
  return (await answer.json()) as Record<string, unknown>
}

/** Waits until `/health` says so: a worker that is busy may not answer in time the first time. */
export async function healthy(command: Command, wanted: Readonly<Record<string, unknown>>): Promise<void> {
  await vi.waitFor(async () => expect(await getJson(command, 'health')).toMatchObject(wanted), { timeout: 60_000 })
}

/** Also `false` for a process that has ended and whose parent has not asked for its exit code. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return !/^State:\s+Z/m.test(statusOf(pid))
  } catch {
    return false
  }
}

/** The state of a process as Linux reports it; '' on other systems. */
function statusOf(pid: number): string {
  return existsSync('/proc/self/status') ? readFileSync(`/proc/${String(pid)}/status`, 'utf8') : ''
}
