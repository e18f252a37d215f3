/**
 * The real command as a process, with its log. An error that it logs is a fault of the history.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import { parseLogLine, type LogLine } from '../processes/log-lines.js'
import type { History } from './history.js'

/** Over a line that fails, to a broker that is away. */
const START_TIMEOUT_MS = 120_000

export interface InstanceOptions {
  readonly name: string
  /** The command's file. */
  readonly cli: string
  /** Its configuration. */
  readonly env: Readonly<Record<string, string>>
  readonly history: Pick<History, 'record'>
  /** Of Node. */
  readonly flags?: readonly string[]
  /** Events that it may log as errors, for example those about a broker that fails. */
  readonly borne?: ReadonlySet<string>
}

export type ExitState = readonly [code: number | null, signal: NodeJS.Signals | null]

export interface Stopped {
  readonly code: number | null
  /** The line `shutdown.report`. */
  readonly report: LogLine | undefined
}

export class Instance {
  readonly lines: LogLine[] = []
  readonly ended: Promise<ExitState>
  readonly #name: string
  readonly #history: Pick<History, 'record'>
  readonly #child: ChildProcess
  readonly #waiting = new Set<(line: LogLine) => void>()

  constructor({ name, cli, env, history, flags = [], borne = new Set() }: InstanceOptions) {
    this.#name = name
    this.#history = history
    const child = spawn(process.execPath, [...flags, cli], {
      env: { PATH: process.env['PATH'], HOST: '127.0.0.1', PORT: '0', LOG_FORMAT: 'json', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#child = child
    this.ended = new Promise((resolve, reject) => {
      child.once('error', reject)
      child.once('exit', (code, signal) => resolve([code, signal]))
    })
    createInterface({ input: child.stderr }).on('line', (line) => this.fault(line))
    createInterface({ input: child.stdout }).on('line', (text) => {
      const line = parseLogLine(text)
      if (line.level === 'error' && !borne.has(line.event)) this.fault(text)
      this.lines.push(line)
      for (const look of this.#waiting) look(line)
    })
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  /** Resolves with the first line of this event, an earlier one included; rejects if the process ends or logs it too late. */
  async logged(event: string): Promise<LogLine> {
    const fits = (line: LogLine): boolean => line.event === event
    const known = this.lines.find(fits)
    if (known) return known
    return await new Promise((resolve, reject) => {
      const overdue = setTimeout(() => reject(new Error(`${event} is not logged`)), START_TIMEOUT_MS)
      const look = (line: LogLine): void => {
        if (!fits(line)) return
        clearTimeout(overdue)
        this.#waiting.delete(look)
        resolve(line)
      }
      this.#waiting.add(look)
      void this.ended.then(([code]) => {
        clearTimeout(overdue)
        reject(new Error(`it ended with ${code} before ${event} was logged`))
      })
    })
  }

  /** Resolves with the next line of this event; with `undefined` if the process ends or does not log it in time. */
  nextLogged(event: string, withinMs: number): Promise<LogLine | undefined> {
    return new Promise((resolve) => {
      const end = (line?: LogLine): void => {
        clearTimeout(overdue)
        this.#waiting.delete(look)
        resolve(line)
      }
      const look = (line: LogLine): void => {
        if (line.event === event) end(line)
      }
      const overdue = setTimeout(end, withinMs)
      this.#waiting.add(look)
      void this.ended.then(() => end())
    })
  }

  /** Records a fault of this instance. */
  fault(text: string): void {
    this.#history.record({ type: 'server', instance: this.#name, what: 'fault', text })
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  /** Sends SIGTERM. Resolves when the process has ended. */
  async stop(): Promise<Stopped> {
    this.kill('SIGTERM')
    const [code] = await this.ended
    return { code, report: this.lines.findLast(({ event }) => event === 'shutdown.report') }
  }
}
