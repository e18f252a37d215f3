/**
 * The real command, as so many processes on one file journal: started, killed in the middle of things, started again. What
 * a server complains of, and how it ends, is written down.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'

const START_TIMEOUT_MS = 20_000

export class Servers {
  #options
  #instances = []
  killed = 0
  stopped = 0

  /**
   * @param {object} options
   * @param {string} options.cli The command's file.
   * @param {Readonly<Record<string, string>>} options.env Its configuration.
   * @param {number} options.count
   * @param {object} options.history
   */
  constructor(options) {
    this.#options = options
    this.#instances = Array.from({ length: options.count }, (_, index) => ({ name: `server-${index + 1}` }))
  }

  get instances() {
    return this.#instances
  }

  /** The ports that are listened on. */
  get ports() {
    return this.#instances.flatMap(({ port }) => port ?? [])
  }

  async startAll() {
    await Promise.all(this.#instances.map((instance) => this.start(instance)))
  }

  async start(instance) {
    if (instance.process) return
    const { cli, env, history } = this.#options
    const child = spawn(process.execPath, [cli], {
      env: { HOST: '127.0.0.1', PORT: '0', LOG_FORMAT: 'json', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    instance.process = child
    instance.ended = once(child, 'exit')
    const fault = (text) => history.record('server', { instance: instance.name, what: 'fault', text })
    createInterface({ input: child.stderr }).on('line', (line) => fault(line))
    void instance.ended.then(([code, signal]) => {
      instance.process = instance.port = undefined
      // One that is killed while it stops may have ended by itself a moment before.
      const isExpected = (instance.isKilled && signal === 'SIGKILL') || (instance.isStopped && code === 0)
      if (!isExpected) fault(`ended with ${signal ?? code}`)
    })
    instance.isKilled = instance.isStopped = false
    const listening = new Promise((resolve) => {
      createInterface({ input: child.stdout }).on('line', (line) => {
        const { event, level, port } = JSON.parse(line)
        if (level === 'error') fault(line)
        if (event === 'listening') resolve(port)
      })
    })
    const overdue = setTimeout(() => {
      fault('does not start')
      this.kill(instance)
    }, START_TIMEOUT_MS)
    const port = await Promise.race([listening, instance.ended])
    clearTimeout(overdue)
    if (typeof port !== 'number' || instance.process !== child) return
    instance.port = port
    history.record('server', { instance: instance.name, what: 'started' })
  }

  /** kill -9. Resolves when it is dead. */
  async kill(instance) {
    const { process: child, ended } = instance
    if (!child) return
    instance.isKilled = true
    instance.port = undefined
    child.kill('SIGKILL')
    this.killed++
    this.#options.history.record('server', { instance: instance.name, what: 'killed' })
    await ended
  }

  /** SIGTERM. Resolves when it has ended. */
  async stop(instance) {
    const { process: child, ended } = instance
    if (!child) return
    instance.isStopped = true
    child.kill('SIGTERM')
    this.stopped++
    this.#options.history.record('server', { instance: instance.name, what: 'stopped' })
    await ended
  }

  async stopAll() {
    await Promise.all(this.#instances.map((instance) => this.stop(instance)))
  }

  /** For the end, whatever has happened. */
  destroy() {
    for (const { process: child } of this.#instances) child?.kill('SIGKILL')
  }
}
