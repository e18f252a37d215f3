/**
 * Readers of a command's standard output that can be stopped and go on, as a log driver does: at the other end of a
 * socket, of a pipe, of a terminal.
 */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { closeSync, constants, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import type { LogLine } from './command.js'

export interface LogReader {
  /** The process of the command. */
  readonly pid: number
  stop(): void
  resume(): void
  /** The first line of this event that has been read; waits for it. */
  logged(event: string): Promise<LogLine>
  /** Of the command. Resolves with its exit code. */
  readonly exited: Promise<number | null>
}

export type StartRead = (words: readonly string[], env: NodeJS.ProcessEnv, folder: string) => Promise<LogReader>

/** Node's own pipes are UNIX sockets, as that of journald is. */
const socket: StartRead = (words, env) => {
  const [program = '', ...args] = words
  const child = spawn(program, args, { env, stdio: ['ignore', 'pipe', 'inherit'] })
  endWithTest(child)
  const { stdout } = child
  return Promise.resolve({
    ...reading(child),
    ...endOf(child),
    pid: pidOf(child),
    stop: () => stdout.pause(),
    resume: () => stdout.resume(),
  })
}

const pipe: StartRead = (words, env, folder) => {
  const [program = '', ...args] = words
  const fifo = join(folder, 'log')
  execFileSync('mkfifo', [fifo])
  const end = openSync(fifo, constants.O_RDWR)
  const child = spawn(program, args, { env, stdio: ['ignore', end, 'inherit'] })
  const cat = spawn('cat', { stdio: [end, 'pipe', 'inherit'] })
  closeSync(end)
  for (const each of [child, cat]) endWithTest(each)
  return Promise.resolve({
    ...reading(cat),
    ...endOf(child),
    pid: pidOf(child),
    stop: () => void cat.kill('SIGSTOP'),
    resume: () => void cat.kill('SIGCONT'),
  })
}

const terminal: StartRead = async (words, env, folder) => {
  const file = join(folder, 'pid')
  const quoted = words.map((word) => `'${word}'`).join(' ')
  // Its standard input stays open: at its end `script` would end, too.
  const script = spawn('script', ['-qfec', `echo $$ > ${file}; exec ${quoted}`, '/dev/null'], {
    env: { ...env, SHELL: '/bin/sh' },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const read = reading(script)
  await read.logged('listening')
  const pid = Number(readFileSync(file, 'utf8'))
  onTestFinished(() => {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // It has ended.
    }
  })
  endWithTest(script)
  return {
    ...read,
    ...endOf(script),
    pid,
    stop: () => void script.kill('SIGSTOP'),
    resume: () => void script.kill('SIGCONT'),
  }
}

export const LOG_READERS = { socket, pipe, terminal } as const

function reading({ stdout }: ChildProcess): Pick<LogReader, 'logged'> {
  if (!stdout) throw new Error('no output')
  const lines: LogLine[] = []
  const checks = new Set<() => void>()
  let rest = ''
  stdout.setEncoding('utf8').on('data', (chunk: string) => {
    const pieces = (rest + chunk).split(/\r?\n/)
    rest = pieces.pop() ?? ''
    lines.push(...pieces.flatMap(parsed))
    for (const check of [...checks]) check()
  })
  return {
    logged: (event) =>
      new Promise((resolve) => {
        const check = (): void => {
          const found = lines.find((line) => line.event === event)
          if (!found) return
          checks.delete(check)
          resolve(found)
        }
        checks.add(check)
        check()
      }),
  }
}

/** A terminal that is full takes a part of a line, and another worker's line may follow it: such lines are left out. */
function parsed(line: string): LogLine[] {
  try {
    return [JSON.parse(line) as LogLine]
  } catch {
    return []
  }
}

const endOf = (child: ChildProcess): Pick<LogReader, 'exited'> => ({
  exited: new Promise((resolve) => child.once('exit', (code) => resolve(code))),
})

function endWithTest(child: ChildProcess): void {
  onTestFinished(() => void child.kill('SIGKILL'))
}

function pidOf({ pid }: ChildProcess): number {
  if (pid === undefined) throw new Error('it could not be started')
  return pid
}
