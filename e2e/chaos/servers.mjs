/**
 * The real command, as so many processes on one journal: started, killed in the middle of things, started again. What a
 * server complains of, and how it ends, is written down.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { Instance } from './instance.mjs'

/**
 * What a server says of a broker that fails, and of a journal that is another one: the checker judges the latter. At its end it
 * does not wait for a broker that is away, and ends with 1.
 */
const GIVEN_UP = 'shutdown.given_up'
const BORNE = new Set(['journal.unavailable', 'journal.epoch', GIVEN_UP])

/** So many log lines of each process are written beside a history with a violation. */
const KEPT_LINES = 200

export class Servers {
  #options
  #instances = []
  /** name → the processes that it has been, in their order */
  #processes = new Map()
  killed = 0
  stopped = 0

  /**
   * @param {object} options
   * @param {string} options.cli The command's file.
   * @param {(name: string) => Readonly<Record<string, string>>} options.envOf A server's configuration.
   * @param {readonly string[]} options.names
   * @param {boolean} options.hasBroker Whether the journal is on another machine.
   * @param {object} options.history
   */
  constructor(options) {
    this.#options = options
    this.#instances = options.names.map((name) => ({ name }))
  }

  get instances() {
    return this.#instances
  }

  /** The ports that are listened on. */
  get ports() {
    return this.#instances.flatMap(({ port }) => port ?? [])
  }

  /** name → the last lines that each of its processes has logged */
  get logs() {
    const lastLines = ({ lines }) => lines.slice(-KEPT_LINES)
    return Object.fromEntries([...this.#processes].map(([name, all]) => [name, all.map(lastLines)]))
  }

  async startAll() {
    await Promise.all(this.#instances.map((instance) => this.start(instance)))
  }

  async start(instance) {
    if (instance.process) return
    const { cli, envOf, history, hasBroker } = this.#options
    const { name } = instance
    const child = new Instance({ name, cli, env: envOf(name), history, ...(hasBroker && { borne: BORNE }) })
    instance.process = child
    this.#processes.set(name, [...(this.#processes.get(name) ?? []), child])
    instance.isKilled = instance.isStopped = false
    void child.ended.then(([code, signal]) => {
      instance.process = instance.port = undefined
      // One that is killed while it stops may have ended by itself a moment before.
      const mayFail = hasBroker && child.lines.some(({ event }) => event === GIVEN_UP)
      const hasStopped = instance.isStopped && (code === 0 || (code === 1 && mayFail))
      const isExpected = (instance.isKilled && signal === 'SIGKILL') || hasStopped
      if (!isExpected) child.fault(`ended with ${signal ?? code}`)
    })
    try {
      const { port } = await child.logged('listening')
      if (instance.process !== child || instance.isKilled) return
      instance.port = port
      history.record({ type: 'server', instance: name, what: 'started' })
    } catch ({ message }) {
      // Its end has been written down already.
      if (instance.process !== child) return
      // Its last lines say what it waits for.
      child.fault(
        `${message}, after ${child.lines
          .slice(-3)
          .map((line) => JSON.stringify(line))
          .join()}`,
      )
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
    this.#options.history.record({ type: 'server', instance: instance.name, what: 'killed' })
    await child.ended
  }

  /** It does nothing for so long, as on a machine that is paused. */
  async pause(instance, forMs) {
    const { process: child } = instance
    if (!child) return
    child.kill('SIGSTOP')
    await sleep(forMs)
    child.kill('SIGCONT')
  }

  /** SIGTERM. Resolves when it has ended. */
  async stop(instance) {
    const { process: child } = instance
    if (!child) return
    instance.isStopped = true
    const over = child.stop()
    this.stopped++
    this.#options.history.record({ type: 'server', instance: instance.name, what: 'stopped' })
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
