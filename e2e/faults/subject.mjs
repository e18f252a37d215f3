/**
 * The real command as a process that a fault is done to: its log, its answers over HTTP, and its end. Every process that
 * was started ends with this one.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { within } from './within.js'
import { COMMAND } from '../../scripts/repository.js'

const ENV = {
  HOST: '127.0.0.1',
  PORT: '0',
  LOG_FORMAT: 'json',
  JOURNAL_URL: 'memory:',
  BROADCAST_INTERVAL: '0',
  PRESENCE_INTERVAL: '0',
  MAX_MESSAGES_PER_MINUTE: '0',
  SHUTDOWN_TIMEOUT: '1',
  CLOSE_TIMEOUT: '1',
  SESSION_SECRET: 'a secret of the faults, which is no secret at all',
}

const running = new Set()

/** Ends those that have not ended. */
export function killAll() {
  for (const subject of running) subject.kill()
}
process.on('exit', killAll)

export class Subject {
  lines = []
  /** Resolves with `{ code, signal }`. */
  ended
  #child
  #checks = new Set()
  #hasEnded = false

  /**
   * @param {object} env Its configuration, besides what all have in common.
   * @param {object} [options]
   * @param {string} [options.preload] A module that is loaded first (`--import`).
   * @param {readonly string[]} [options.through] A program that starts the command, and its arguments.
   */
  constructor(env, { preload, through = [] } = {}) {
    const flags = preload === undefined ? {} : { NODE_OPTIONS: `--import=${preload}` }
    const [program, ...args] = [...through, process.execPath, COMMAND]
    this.#child = spawn(program, args, {
      env: { PATH: process.env.PATH, ...ENV, ...flags, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    running.add(this)
    createInterface({ input: this.#child.stderr }).on('line', (text) => this.#heard({ event: 'stderr', text }))
    createInterface({ input: this.#child.stdout }).on('line', (text) => {
      this.#heard(text.startsWith('{') ? JSON.parse(text) : { event: 'stdout', text })
    })
    this.ended = once(this.#child, 'close').then(([code, signal]) => {
      this.#hasEnded = true
      running.delete(this)
      this.#look()
      return { code, signal }
    })
  }

  /** Starts it and waits until it listens. */
  static async serving(env, options) {
    const subject = new Subject(env, options)
    const { httpUrl, webSocketUrl } = await subject.logged('listening')
    return Object.assign(subject, { httpUrl, webSocketUrl })
  }

  #heard(line) {
    this.lines.push(line)
    this.#look()
  }

  #look() {
    for (const check of [...this.#checks]) check()
  }

  get pid() {
    return this.#child.pid
  }

  /** The reader of its log. */
  get output() {
    return this.#child.stdout
  }

  /** Resolves with the first line of this event that fits, from line number `from` on. */
  logged(event, { fits = () => true, from = 0 } = {}) {
    const found = new Promise((resolve, reject) => {
      const check = () => {
        const line = this.lines.slice(from).find((each) => each.event === event && fits(each))
        if (!line && !this.#hasEnded) return
        this.#checks.delete(check)
        if (line) resolve(line)
        else reject(new Error(`the server ended before it logged ${event}: ${JSON.stringify(this.lines.slice(-3))}`))
      }
      this.#checks.add(check)
      check()
    })
    return within(`the log line ${event}`, found)
  }

  /** The JSON of a page. */
  async get(path) {
    const answer = await fetch(new URL(path, this.httpUrl), {
      headers: { connection: 'close' },
      signal: globalThis.AbortSignal.timeout(2_000),
    })
    return await answer.json()
  }

  /** The number of a metric. */
  async metric(name) {
    const answer = await fetch(new URL('metrics', this.httpUrl), { headers: { connection: 'close' } })
    const text = await answer.text()
    return Number(new RegExp(`^${name.replaceAll(/[{}]/g, '\\$&')} (\\S+)`, 'm').exec(text)?.[1] ?? NaN)
  }

  signal(signal) {
    this.#child.kill(signal)
  }

  kill() {
    this.#child.kill('SIGKILL')
    // Workers would say goodbye to their clients first.
    for (const { event, pid } of this.lines) if (event === 'worker.started') endProcess(pid)
  }

  /** SIGTERM; resolves with `{ code, signal }`. */
  async stop() {
    this.signal('SIGTERM')
    return await within('the end of the server', this.ended)
  }
}

function endProcess(pid) {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended.
  }
}
