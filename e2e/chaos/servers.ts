/**
 * Several processes of the real command on one journal: started, killed while they work, started again. The history has the
 * errors that a server logs, and how it ends.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { portOf, type LogLine } from '../processes/log-lines.js'
import type { History } from './history.js'
import { Instance } from './instance.js'

/**
 * The errors that a server may log about a broker that fails and about a journal that was replaced: the checker judges the
 * latter. When it ends, a server does not wait for a broker that is away, and exits with 1.
 */
const GIVEN_UP = 'shutdown.given_up'
const BORNE = new Set(['journal.unavailable', 'journal.epoch', GIVEN_UP])

/** The number of log lines of each process that are stored with a history that has a violation. */
const KEPT_LINES = 200

export interface ServersOptions {
  /** The command's file. */
  readonly cli: string
  /** A server's configuration. */
  readonly envOf: (name: string) => Readonly<Record<string, string>>
  readonly names: readonly string[]
  /** Whether the journal is on another machine. */
  readonly hasBroker: boolean
  readonly history: History
}

/** One server, whichever process it is at present. */
export interface Server {
  readonly name: string
  process: Instance | undefined
  /** `undefined`: it does not listen. */
  port: number | undefined
  isKilled: boolean
  isStopped: boolean
}

export class Servers {
  readonly #options: ServersOptions
  readonly #instances: readonly Server[]
  /** name → the processes that it has been, in their order */
  readonly #processes = new Map<string, readonly Instance[]>()
  killed = 0
  stopped = 0

  constructor(options: ServersOptions) {
    this.#options = options
    this.#instances = options.names.map((name) => ({
      name,
      process: undefined,
      port: undefined,
      isKilled: false,
      isStopped: false,
    }))
  }

  get instances(): readonly Server[] {
    return this.#instances
  }

  /** The ports on which the servers listen. */
  get ports(): readonly number[] {
    return this.#instances.flatMap(({ port }) => port ?? [])
  }

  /** name → the last lines that each of its processes has logged */
  get logs(): Readonly<Record<string, readonly (readonly LogLine[])[]>> {
    const lastLines = ({ lines }: Instance): readonly LogLine[] => lines.slice(-KEPT_LINES)
    return Object.fromEntries([...this.#processes].map(([name, all]) => [name, all.map(lastLines)]))
  }

  async startAll(): Promise<void> {
    await Promise.all(this.#instances.map((instance) => this.start(instance)))
  }

  async start(instance: Server): Promise<void> {
    if (instance.process) return
    const { cli, envOf, history, hasBroker } = this.#options
    const { name } = instance
    const child = new Instance({ name, cli, env: envOf(name), history, ...(hasBroker && { borne: BORNE }) })
    instance.process = child
    this.#processes.set(name, [...(this.#processes.get(name) ?? []), child])
    instance.isKilled = instance.isStopped = false
    void child.ended.then(([code, signal]) => {
      instance.process = instance.port = undefined
      // A process that is killed while it stops may have ended by itself a moment before.
      const mayFail = hasBroker && child.lines.some(({ event }) => event === GIVEN_UP)
      const hasStopped = instance.isStopped && (code === 0 || (code === 1 && mayFail))
      const isExpected = (instance.isKilled && signal === 'SIGKILL') || hasStopped
      if (!isExpected) child.fault(`ended with ${signal ?? code}`)
    })
    try {
      const port = portOf(await child.logged('listening'))
      if (!mayServe(instance, child)) return
      instance.port = port
      history.record({ type: 'server', instance: name, what: 'started' })
    } catch (error) {
      // The history has its end already.
      if (!isRunning(instance, child)) return
      // Its last lines show what it waits for.
      child.fault(
        `${error instanceof Error ? error.message : String(error)}, after ${child.lines
          .slice(-3)
          .map((line) => JSON.stringify(line))
          .join()}`,
      )
      await this.kill(instance)
    }
  }

  /** kill -9. Resolves when the process has ended. */
  async kill(instance: Server): Promise<void> {
    const { process: child } = instance
    if (!child) return
    instance.isKilled = true
    instance.port = undefined
    child.kill('SIGKILL')
    this.killed++
    this.#options.history.record({ type: 'server', instance: instance.name, what: 'killed' })
    await child.ended
  }

  /** The process does nothing for this time, as on a machine that is paused. */
  async pause(instance: Server, forMs: number): Promise<void> {
    const { process: child } = instance
    if (!child) return
    child.kill('SIGSTOP')
    await sleep(forMs)
    child.kill('SIGCONT')
  }

  /** SIGTERM. Resolves when the process has ended. */
  async stop(instance: Server): Promise<void> {
    const { process: child } = instance
    if (!child) return
    instance.isStopped = true
    const over = child.stop()
    this.stopped++
    this.#options.history.record({ type: 'server', instance: instance.name, what: 'stopped' })
    await over
  }

  async stopAll(): Promise<void> {
    await Promise.all(this.#instances.map((instance) => this.stop(instance)))
  }

  /** Ends all processes, in whatever state they are. */
  destroy(): void {
    for (const { process: child } of this.#instances) child?.kill('SIGKILL')
  }
}

const isRunning = (server: Server, child: Instance): boolean => server.process === child

const mayServe = (server: Server, child: Instance): boolean => isRunning(server, child) && !server.isKilled
