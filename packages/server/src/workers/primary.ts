/**
 * `lastcall serve` with WORKERS: the primary process, which only supervises. It owns the port and deals connections to the
 * workers (node:cluster does that), starts the workers, handles signals, and reports the state of all workers as one. It serves
 * no client itself, so that it contains little that can fail.
 */
import { logStartupWarnings } from '../startup-warnings.js'
import { systemClock } from '../clock.js'
import { takeFromEnvironment, type LoadedConfig } from '../config/load-config.js'
import type { Config } from '../config/schema.js'
import { VERSION } from '../config/version.js'
import type { Address } from '../http/listen.js'
import type { Logger } from '../observability/log.js'
import { logFailure } from '../observability/log-failure.js'
import { createLogger } from '../observability/logger.js'
import { AggregateMetrics } from '../observability/aggregate-metrics.js'
import type { ProcessSignals } from '../process-signals.js'
import { systemRandomness } from '../randomness.js'
import { SYSTEMD_VARIABLES, systemdEnvironment, type SystemdEnvironment } from '../systemd/environment.js'
import { LAST_WORD_TIMEOUT_MS, type Notifier } from '../systemd/notifier.js'
import { createNotifier } from '../systemd/notify-command.js'
import { forkWorker, setUpWorkers, type ForkedWorker } from './forked-worker.js'
import type { Member } from './generations-options.js'
import { Generations } from './generations.js'
import { watchDescriptor } from './inherited-socket.js'
import { Liveness } from './liveness.js'
import type { WorkerIdentity } from './messages.js'
import { ShutdownBound } from './shutdown-bound.js'
import { answer } from './rpc.js'
import type { WorkerListener } from './worker-process.js'
import { WorkerQuery } from './worker-query.js'
import { ServiceWatch } from './service-watch.js'
import { Supervision } from './supervision.js'

/** Supervises until a shutdown has ended. Resolves with the exit code. */
export async function runPrimary(loaded: LoadedConfig, signals: ProcessSignals): Promise<number> {
  const log = createLogger({ level: loaded.config.logLevel, format: loaded.config.logFormat })
  try {
    signals.starting({
      onEnd: (signal) => log.info('shutdown.closed', { signal }, 'closed before the start was complete'),
    })
    // Runs before the first worker starts, because workers would inherit these variables, which are for this process alone.
    const systemd = systemdEnvironment(takeFromEnvironment(SYSTEMD_VARIABLES), process.pid)
    return await supervise(loaded, { systemd, signals, log })
  } catch (error) {
    logFailure(error, log, loaded.config)
    return 1
  } finally {
    log.flush()
  }
}

interface Surroundings {
  readonly systemd: SystemdEnvironment
  readonly signals: ProcessSignals
  readonly log: Logger
}

async function supervise(loaded: LoadedConfig, { systemd, signals, log }: Surroundings): Promise<number> {
  // While a crashed worker waits for its replacement, nothing else may keep the process alive.
  const letEnd = systemClock.keepAwake()
  const notifier = createNotifier(systemd, log)
  logStartupWarnings(loaded, systemd, log)
  setUpWorkers()
  const exitCode = await new Primary({ config: loaded.config, systemd, notifier, log }).run(signals)
  await notifier?.flush(LAST_WORD_TIMEOUT_MS)
  letEnd()
  return exitCode
}

interface PrimaryOptions {
  readonly config: Config
  readonly systemd: SystemdEnvironment
  /** `undefined`: systemd expects no reports. */
  readonly notifier: Notifier | undefined
  readonly log: Logger
}

class Primary {
  readonly #config: Config
  readonly #log: Logger
  readonly #listenFd: number | undefined
  readonly #canListen: () => boolean
  readonly #sessionSecret = systemRandomness.bytes(32).toString('base64url')
  readonly #metrics = new AggregateMetrics()
  readonly #generations: Generations<ForkedWorker>
  readonly #liveness: Liveness
  readonly #supervision: Supervision
  readonly #service: ServiceWatch | undefined
  /** Whether workers may accept clients without a token. `false` once a worker that requires tokens has served. */
  #mayBeOpen = true
  #resolveExitCode: (code: number) => void = () => undefined

  constructor({ config, systemd, notifier, log }: PrimaryOptions) {
    const clock = systemClock
    const { listenFd, watchdogMs } = systemd
    const { workerStartTimeoutSeconds: startSeconds } = config
    const startTimeoutMs = startSeconds === undefined ? undefined : startSeconds * 1000
    this.#config = config
    this.#log = log
    this.#listenFd = listenFd
    this.#canListen = listenFd === undefined ? () => true : watchDescriptor(listenFd)
    this.#generations = new Generations<ForkedWorker>({
      start: (identity, listener) => this.#fork(identity, listener),
      onStarting: () => this.#service?.starting(),
      onWaiting: () => this.#service?.waiting(),
      onServing: (address, generation) => this.#serving(address, generation),
      onReloadFailed: () => {
        this.#service?.reloadFailed()
        this.#metrics.supervisor.reloaded(false)
      },
      onNeverServed: ({ code }) => this.#end(code ?? 1),
      onExit: (member, isCrash) => this.#exited(member, isCrash),
      onGenerationGone: (generation) => this.#supervision.generationGone(generation),
      onNobodyLeft: () => {
        this.#supervision.closed()
        this.#end(0)
      },
      startTimeoutMs,
      clock,
      log,
    })
    const generations = this.#generations
    this.#liveness = new Liveness({
      members: () => generations.members(),
      timeoutSeconds: config.workerTimeoutSeconds,
      clock,
      log,
    })
    const query = new WorkerQuery(
      () => generations.members(),
      (member) => this.#liveness.isSilent(member),
    )
    this.#supervision = new Supervision({ generations, query, metrics: this.#metrics, clock, log })
    const supervision = this.#supervision
    this.#service = notifier && new ServiceWatch({ notifier, supervision, clock, startTimeoutMs, watchdogMs })
    const bound = new ShutdownBound({
      limits: () => [...generations.members()].map(({ process: { limits = config } }) => limits),
      onExceeded: (waitedSeconds) => this.#endAtOnce(waitedSeconds),
      clock,
    })
    supervision.observe({
      onState: (state, timeoutSeconds) => {
        this.#service?.stateChanged()
        bound.stateChanged(state, timeoutSeconds)
      },
      onThirdSignal: () => this.#killAll(),
    })
  }

  /** Starts the first generation. Resolves with the exit code of the primary when everything has ended. */
  run(signals: ProcessSignals): Promise<number> {
    return new Promise((resolve) => {
      this.#resolveExitCode = resolve
      this.#generations.begin()
      signals.passTo({
        onShutdown: (signal) => this.#supervision.handleSignal(signal),
        onReload: () => this.#generations.reload(),
      })
    })
  }

  #fork(identity: WorkerIdentity, listener: WorkerListener): ForkedWorker {
    const worker: ForkedWorker = forkWorker(
      identity,
      {
        sessionSecret: this.#sessionSecret,
        mayBeOpen: this.#mayBeOpen,
        listenFd: this.#listenFd,
        clock: systemClock,
      },
      {
        ...listener,
        onProtected: () => (this.#mayBeOpen = false),
        onEnded: ({ report, metrics }) => {
          this.#supervision.ended(identity, report)
          this.#metrics.update(identity, metrics)
        },
        onQuestion: (question) => answer(question, this.#supervision.answers, (message) => worker.send(message)),
      },
    )
    return worker
  }

  #serving(address: Address, generation: number): void {
    this.#supervision.started()
    this.#service?.serving()
    this.#metrics.supervisor.serving(generation)
    if (generation > 1) {
      this.#metrics.supervisor.reloaded(true)
      return
    }
    const { workers, build } = this.#config
    const fields = { ...address, workers, build, version: VERSION }
    this.#log.info('listening', fields, `listening at ${address.httpUrl}`)
  }

  #exited(member: Member<ForkedWorker>, isCrash: boolean): void {
    this.#metrics.depart(member)
    if (isCrash) this.#metrics.supervisor.crashed()
    this.#supervision.exited(member)
    if (!isCrash || this.#canListen()) return
    this.#log.error(
      'error',
      { listenFd: this.#listenFd },
      'the last worker has closed the inherited socket: restart the service',
    )
    this.#end(1)
  }

  #endAtOnce(waitedSeconds: number): void {
    const workers = [...this.#generations.members()].map(({ worker, generation }) => ({ worker, generation }))
    this.#log.error(
      'shutdown.closed',
      { waitedSeconds, workers },
      'workers did not end in time: the primary kills them',
    )
    this.#killAll()
  }

  #killAll(): void {
    for (const { process: worker } of this.#generations.members()) worker.kill()
    this.#end(1)
  }

  #end(code: number): void {
    this.#generations.end()
    this.#liveness.stop()
    this.#resolveExitCode(code)
  }
}
