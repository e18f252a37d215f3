/**
 * The real command as a process, with what it logs. What it complains of is a fault of the history.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'

/** Over a line that fails, to a broker that is away. */
const START_TIMEOUT_MS = 120_000

export class Instance {
  lines = []
  /** Resolves with the exit code and the signal. */
  ended
  #name
  #history
  #child
  #waiting = new Set()
  #borne

  /**
   * @param {object} options
   * @param {string} options.name
   * @param {string} options.cli The command's file.
   * @param {Readonly<Record<string, string>>} options.env Its configuration.
   * @param {object} options.history
   * @param {readonly string[]} [options.flags] Of Node.
   * @param {ReadonlySet<string>} [options.borne] Events that it may log as errors: what it says of a broker that fails.
   */
  constructor({ name, cli, env, history, flags = [], borne = new Set() }) {
    this.#name = name
    this.#history = history
    this.#borne = borne
    this.#child = spawn(process.execPath, [...flags, cli], {
      env: { PATH: process.env['PATH'], HOST: '127.0.0.1', PORT: '0', LOG_FORMAT: 'json', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.ended = once(this.#child, 'exit')
    createInterface({ input: this.#child.stderr }).on('line', (line) => this.fault(line))
    createInterface({ input: this.#child.stdout }).on('line', (text) => {
      const line = JSON.parse(text)
      if (line.level === 'error' && !this.#borne.has(line.event)) this.fault(text)
      this.lines.push(line)
      for (const look of this.#waiting) look(line)
    })
  }

  get pid() {
    return this.#child.pid
  }

  /** Resolves with the first line of this event, from now on or there already; rejects if it does not come. */
  async logged(event) {
    const fits = (line) => line.event === event
    const known = this.lines.find(fits)
    if (known) return known
    return await new Promise((resolve, reject) => {
      const overdue = setTimeout(() => reject(new Error(`${event} is not logged`)), START_TIMEOUT_MS)
      const look = (line) => {
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

  /** Resolves with the next line of this event; with `undefined` if it does not come in time. */
  nextLogged(event, withinMs) {
    return new Promise((resolve) => {
      const end = (line) => {
        clearTimeout(overdue)
        this.#waiting.delete(look)
        resolve(line)
      }
      const look = (line) => {
        if (line.event === event) end(line)
      }
      const overdue = setTimeout(end, withinMs)
      this.#waiting.add(look)
      void this.ended.then(() => end())
    })
  }

  /** Writes down what is wrong with it. */
  fault(text) {
    this.#history.record({ type: 'server', instance: this.#name, what: 'fault', text })
  }

  kill(signal) {
    this.#child.kill(signal)
  }

  /** SIGTERM. Resolves with the exit code and the report. */
  async stop() {
    this.kill('SIGTERM')
    const [code] = await this.ended
    return { code, report: this.lines.findLast(({ event }) => event === 'shutdown.report') }
  }
}
