/**
 * One simulated instance: the real server, composed as in the command, on virtual time. The run can kill, stop and restart it;
 * each start creates a new server.
 */
import type { Random } from '#e2e/chaos/random.js'
import { assembleServer } from '#server/assemble-server.js'
import type { ComposedHttp } from '#server/compose-http.js'
import { configFrom } from '#server/config/load-config.js'
import type { Config } from '#server/config/schema.js'
import type { ConnectionListener } from '#server/connections/front.js'
import type { AssembledServer } from '#server/lastcall-server.js'
import { silentLogger, type LogEvent, type LogFields, type Logger } from '#server/observability/log.js'
import type { Randomness } from '#server/randomness.js'
import type { SimulatedHistory } from './history.js'
import type { JournalLine, JournalServer } from './journal.js'
import { ProcessClock } from './process-clock.js'
import type { Scheduler } from './scheduler.js'
import type { ServerSocket } from './server-socket.js'
import type { TokenDesk } from './tokens.js'

export interface InstanceOptions {
  readonly name: string
  readonly config: Partial<Config>
  readonly scheduler: Scheduler
  readonly random: Random
  readonly journal: JournalServer
  readonly history: SimulatedHistory
  readonly tokens: TokenDesk | undefined
}

/** The errors that an instance may log while its journal fails. */
const EXPECTED: ReadonlySet<LogEvent> = new Set(['journal.unavailable', 'journal.epoch', 'shutdown.given_up'])

/** One process: from its start to its end. */
interface Process {
  readonly clock: ProcessClock
  readonly line: JournalLine
  readonly sockets: Set<ServerSocket>
  server: AssembledServer | undefined
  listener: ConnectionListener | undefined
  isListening: boolean
}

export class Instance {
  readonly #options: InstanceOptions
  #process: Process | undefined
  #starts = 0

  constructor(options: InstanceOptions) {
    this.#options = options
  }

  get name(): string {
    return this.#options.name
  }

  get isRunning(): boolean {
    return this.#process !== undefined
  }

  /** Calls for each handshake; `undefined`: nothing listens. */
  get listener(): ConnectionListener | undefined {
    return this.#process?.isListening ? this.#process.listener : undefined
  }

  get soon(): (callback: () => void) => void {
    const clock = this.#process?.clock
    return (callback) => clock?.soon(callback)
  }

  /** A connection that ends with the process. */
  own(socket: ServerSocket): void {
    this.#process?.sockets.add(socket)
  }

  start(build: string): void {
    if (this.#process) return
    const { scheduler, journal, history, name } = this.#options
    const started: Process = {
      clock: new ProcessClock(scheduler),
      line: journal.connect(),
      sockets: new Set(),
      server: undefined,
      listener: undefined,
      isListening: false,
    }
    this.#process = started
    this.#starts++
    if (!journal.isUp) started.line.break()
    this.#assemble(started, build).catch((error: unknown) => {
      history.record({ type: 'server', instance: name, what: 'fault', text: `it cannot start: ${String(error)}` })
    })
  }

  async #assemble(started: Process, build: string): Promise<void> {
    const { config, random, tokens, history, name } = this.#options
    const { clock } = started
    const own = random.fork(`start ${this.#starts}`)
    const server = await assembleServer(configFrom({ ...config, build }), {
      log: this.#log(),
      journal: started.line,
      surroundings: {
        clock,
        randomness: randomnessOf(own),
        verifyToken: tokens?.verifierFor(clock),
        composeFront: () => Promise.resolve(frontOf(started)),
      },
    })
    started.server = server
    await server.listen()
    if (this.#process === started) history.record({ type: 'server', instance: name, what: 'started' })
  }

  /** kill -9. The journal may still receive the appends that the instance has sent. */
  kill(): void {
    const ended = this.#process
    if (!ended) return
    this.#process = undefined
    ended.clock.stop()
    ended.line.kill()
    for (const socket of ended.sockets) socket.onProcessEnd()
    this.#options.history.record({ type: 'server', instance: this.name, what: 'killed' })
  }

  /** SIGTERM. @param onEnd Called when the process has ended. */
  stop(onEnd: () => void): void {
    const ending = this.#process
    if (!ending?.server) return
    const { history, name } = this.#options
    ending.server.close().then(
      () => {
        if (this.#process !== ending) return
        this.#process = undefined
        ending.clock.stop()
        ending.line.kill()
        history.record({ type: 'server', instance: name, what: 'stopped' })
        onEnd()
      },
      (error: unknown) => history.record({ type: 'server', instance: name, what: 'fault', text: String(error) }),
    )
  }

  breakLine(ms: number): void {
    const line = this.#process?.line
    if (!line || !this.#options.journal.isUp) return
    line.break()
    this.#options.scheduler.after(ms, () => {
      if (this.#options.journal.isUp) line.mend()
    })
  }

  #log(): Logger {
    const { history, name } = this.#options
    const error = (event: LogEvent, fields: LogFields | string, message?: string): void => {
      if (EXPECTED.has(event)) return
      const { error: cause } = typeof fields === 'string' ? {} : fields
      const text = `${event}: ${message ?? (fields as string)}${cause instanceof Error ? ` ${cause.stack ?? ''}` : ''}`
      history.record({ type: 'server', instance: name, what: 'fault', text })
    }
    return { ...silentLogger, error }
  }
}

const ADDRESS = { host: 'simulated', port: 80, webSocketUrl: 'ws://simulated/ws', httpUrl: 'http://simulated' }

const frontOf = (started: Process): ComposedHttp => ({
  get isReachable() {
    return started.isListening
  },
  onConnection: (listener) => void (started.listener = listener),
  listen: async () => {
    await Promise.resolve()
    started.isListening = true
    return ADDRESS
  },
  attach: () => undefined,
  stopListening: () => void (started.isListening = false),
  renewTls: () => undefined,
  close: () => {
    started.isListening = false
    return Promise.resolve()
  },
})

function randomnessOf(random: Random): Randomness {
  const bytes = (count: number): Buffer => Buffer.from(Array.from({ length: count }, () => random.below(256)))
  return { fraction: () => random.next(), bytes, uuid: () => bytes(16).toString('hex') }
}
