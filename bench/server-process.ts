/**
 * A server that a benchmark measures: the real command as a process on a free port of 127.0.0.1, with the events of its log. It
 * ends with the benchmark at the latest.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { COMMAND } from '../scripts/repository.js'

/** As in the first line of the command and in `npm start`. */
const HEAP_FLAGS = ['--max-semi-space-size=4', '--heap-growing-percent=100']
/** Also over a broker that is slow to answer. */
const START_TIMEOUT_MS = 120_000

/** A line of the log. The event decides which other fields it has. */
export interface LogLine {
  readonly [field: string]: unknown
}

export interface ServerProcessOptions {
  /** The file of the command. Default: that of this repository. */
  readonly command?: string | undefined
  /** Flags of Node besides those that `npm start` gives. Default: none. */
  readonly nodeFlags?: readonly string[]
  /** The configuration. Defaults: HOST=127.0.0.1, PORT=0, LOG_FORMAT=json. */
  readonly env: Readonly<Record<string, string>>
}

export class ServerProcess {
  readonly pid: number
  /** The lines that the server logged as errors, or wrote to its standard error. */
  readonly errors: string[] = []
  readonly #child: ChildProcess
  readonly #ended: Promise<unknown>
  readonly #lines: LogLine[] = []
  readonly #waiting = new Set<(line: LogLine) => void>()
  readonly #onExit = (): void => this.kill()
  #port = 0

  private constructor({ command = COMMAND, nodeFlags = [], env }: ServerProcessOptions) {
    const child = spawn(process.execPath, [...HEAP_FLAGS, ...nodeFlags, command], {
      env: { PATH: process.env['PATH'], HOST: '127.0.0.1', PORT: '0', LOG_FORMAT: 'json', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    if (child.pid === undefined) throw new Error(`${process.execPath} could not be started`)
    this.pid = child.pid
    this.#child = child
    this.#ended = once(child, 'exit')
    process.once('exit', this.#onExit)
    createInterface({ input: child.stderr }).on('line', (text) => {
      this.errors.push(text)
      console.error(text)
    })
    createInterface({ input: child.stdout }).on('line', (text) => this.#take(text))
  }

  /** Starts the command. Resolves when it listens; rejects when it ends, or does not listen within two minutes. */
  static async start(options: ServerProcessOptions): Promise<ServerProcess> {
    const server = new ServerProcess(options)
    const overdue = setTimeout(() => server.kill(), START_TIMEOUT_MS)
    const { port } = await server.logged('listening')
    clearTimeout(overdue)
    if (typeof port !== 'number') throw new Error('the server did not log its port')
    server.#port = port
    return server
  }

  get port(): number {
    return this.#port
  }

  #take(text: string): void {
    const line: unknown = JSON.parse(text)
    if (!isLogLine(line)) return
    if (line['level'] === 'error') this.errors.push(text)
    this.#lines.push(line)
    for (const look of [...this.#waiting]) look(line)
  }

  /** Resolves with the first line of this event, of the past or the future; rejects when the server ends without it. */
  logged(event: string): Promise<LogLine> {
    return new Promise((resolve, reject) => {
      const look = (line: LogLine): void => {
        if (line['event'] !== event) return
        this.#waiting.delete(look)
        resolve(line)
      }
      this.#waiting.add(look)
      void this.#ended.then(() =>
        reject(new Error(`the server ended before it logged ${event}:\n${this.errors.join('\n')}`)),
      )
      for (const line of this.#lines) look(line)
    })
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  kill(): void {
    this.signal('SIGKILL')
  }

  /** Sends SIGTERM. Resolves when the process has ended. */
  async stop(): Promise<void> {
    this.signal('SIGTERM')
    await this.#ended
    process.off('exit', this.#onExit)
  }
}

const isLogLine = (value: unknown): value is LogLine => typeof value === 'object' && value !== null

/**
 * Runs a measurement with a server that has a file journal in a temporary folder, no limits and no messages of its own. Then it
 * ends the server and removes the folder.
 *
 * @param env More of the server's configuration.
 */
export async function withUnlimitedServer(
  env: Readonly<Record<string, string>>,
  measure: (server: ServerProcess) => Promise<void>,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'lastcall-bench-'))
  try {
    const server = await ServerProcess.start({
      env: {
        JOURNAL_URL: `file:${join(folder, 'journal')}`,
        MAX_CONNECTIONS: '0',
        MAX_MESSAGES_PER_MINUTE: '0',
        BROADCAST_INTERVAL: '0',
        PRESENCE_INTERVAL: '0',
        ...env,
      },
    })
    try {
      await measure(server)
    } finally {
      server.kill()
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
