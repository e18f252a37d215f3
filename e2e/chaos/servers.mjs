/**
 * The real command, as so many processes on one file journal: started, killed in the middle of things, started again. What
 * a server complains of, and how it ends, is written down.
 */
import { Instance } from './instance.mjs'

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
    const { name } = instance
    const child = new Instance({ name, cli, env, history })
    instance.process = child
    instance.isKilled = instance.isStopped = false
    void child.ended.then(([code, signal]) => {
      instance.process = instance.port = undefined
      // One that is killed while it stops may have ended by itself a moment before.
      const isExpected = (instance.isKilled && signal === 'SIGKILL') || (instance.isStopped && code === 0)
      if (!isExpected) child.fault(`ended with ${signal ?? code}`)
    })
    try {
      const { port } = await child.logged('listening')
      if (instance.process !== child || instance.isKilled) return
      instance.port = port
      history.record('server', { instance: name, what: 'started' })
    } catch ({ message }) {
      // Its end has been written down already.
      if (instance.process !== child) return
      child.fault(message)
      await this.kill(instance)
    }
  }

  /** kill -9. Resolves when it is dead. */
  async kill(instance) {
    const { process: child } = instance
    if (!child) return
    instance.isKilled = true
    instance.port = undefined
    child.kill('SIGKILL')
    this.killed++
    this.#options.history.record('server', { instance: instance.name, what: 'killed' })
    await child.ended
  }

  /** SIGTERM. Resolves when it has ended. */
  async stop(instance) {
    const { process: child } = instance
    if (!child) return
    instance.isStopped = true
    const over = child.stop()
    this.stopped++
    this.#options.history.record('server', { instance: instance.name, what: 'stopped' })
    await over
  }

  async stopAll() {
    await Promise.all(this.#instances.map((instance) => this.stop(instance)))
  }

  /** For the end, whatever has happened. */
  destroy() {
    for (const { process: child } of this.#instances) child?.kill('SIGKILL')
  }
}
