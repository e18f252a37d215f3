/**
 * The real command as a child process, with its log. It is killed when the test ends, if it has not ended by then.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import { onTestFinished } from 'vitest'
import { COMMAND } from '../../../../scripts/repository.js'
import { TestClient, type TestClientOptions } from './test-client.js'

export interface LogLine {
  readonly level: string
  readonly event: string
  readonly [field: string]: unknown
}

export interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

type Variables = Readonly<Record<string, string>>

/** A program that starts the command, and its arguments; it is told which variables are to be handed on. */
type Through = (variables: readonly string[]) => readonly string[]

export interface CommandOptions {
  /** The file to run. Default: the command itself. */
  readonly file?: string
  readonly through?: Through
  /** Whether it leads a process group of its own, as a command at a terminal does. */
  readonly isGroup?: boolean
}

export class Command {
  readonly child: ChildProcess
  readonly lines: LogLine[] = []
  /** The lines that are not JSON, or that appeared on standard error. */
  readonly other: string[] = []
  readonly exited: Promise<Exit>
  #checks = new Set<() => void>()
  #hasExited = false

  private constructor(variables: Variables, { file = COMMAND, through = () => [], isGroup = false }: CommandOptions) {
    const env = {
      HOST: '127.0.0.1',
      PORT: '0',
      JOURNAL_URL: 'memory:',
      LOG_FORMAT: 'json',
      BROADCAST_INTERVAL: '0',
      ...variables,
    }
    const words: readonly string[] = [...through(Object.keys(env)), process.execPath, file]
    const [program = process.execPath, ...args] = words
    this.child = spawn(program, args, { env, detached: isGroup, stdio: ['ignore', 'pipe', 'pipe'] })
    for (const stream of [this.child.stdout, this.child.stderr]) {
      if (!stream) throw new Error('no output')
      createInterface(stream).on('line', (line) => {
        try {
          this.lines.push(JSON.parse(line) as LogLine)
        } catch {
          this.other.push(line)
        }
        for (const check of [...this.#checks]) check()
      })
    }
    this.exited = new Promise((resolve) => {
      this.child.on('close', (code, signal) => {
        this.#hasExited = true
        resolve({ code, signal })
        for (const check of [...this.#checks]) check()
      })
    })
  }

  static start(env: Variables = {}, options: CommandOptions = {}): Command {
    const command = new Command(env, options)
    onTestFinished(async () => {
      command.child.kill('SIGKILL')
      // Workers would say good-bye to their clients first.
      for (const pid of command.workerPids) endProcess(pid)
      await command.exited
    })
    return command
  }

  /** Starts it and waits until it listens. */
  static async serving(env: Variables = {}, options: CommandOptions = {}): Promise<Command> {
    const command = Command.start(env, options)
    await command.logged('listening')
    return command
  }

  /** The first line of this event that fits; waits for it. Rejects if the process ends first. */
  logged(event: string, fits: (line: LogLine) => boolean = () => true): Promise<LogLine> {
    return this.#when(event, () => this.lines.find((each) => each.event === event && fits(each)))
  }

  /** The first line that is not of its log and contains this; waits for it. Rejects if the process ends first. */
  said(text: string): Promise<string> {
    return this.#when(text, () => this.other.find((line) => line.includes(text)))
  }

  #when<T>(what: string, look: () => T | undefined): Promise<T> {
    return new Promise((resolve, reject) => {
      const check = (): void => {
        const found = look()
        if (found === undefined && !this.#hasExited) return
        this.#checks.delete(check)
        if (found !== undefined) resolve(found)
        else reject(new Error(`it ended without ${what}: ${JSON.stringify(this.lines)} ${this.other.join('\n')}`))
      }
      this.#checks.add(check)
      check()
    })
  }

  /** Of the workers that have been started and have not ended, as far as the log says. */
  get workerPids(): number[] {
    const pids = (event: string): number[] =>
      this.lines.filter((line) => line.event === event).map((line) => line['pid'] as number)
    const ended = pids('worker.ended')
    return pids('worker.started').filter((pid) => !ended.includes(pid))
  }

  get #address(): LogLine {
    const line = this.lines.find(({ event }) => event === 'listening')
    if (!line) throw new Error('it does not listen')
    return line
  }

  get port(): number {
    return this.#address['port'] as number
  }

  get httpUrl(): string {
    return this.#address['httpUrl'] as string
  }

  get webSocketUrl(): string {
    return this.#address['webSocketUrl'] as string
  }

  async connect(path: string, options?: TestClientOptions): Promise<TestClient> {
    const client = await TestClient.connect(`${this.webSocketUrl}/${path}`, options)
    await client.first('welcome')
    return client
  }

  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal)
  }
}

function endProcess(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has gone.
  }
}
