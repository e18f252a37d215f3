/**
 * `lastcall serve` with WORKERS: the process that only supervises. It has the port and hands connections out (that is
 * node:cluster's part), starts the workers, listens to signals, and answers for the whole. It serves nobody itself, so
 * there is little in it that can go wrong.
 */
import { randomBytes } from 'node:crypto'
import { logStartupWarnings } from '../startup-warnings.js'
import { systemClock } from '../clock.js'
import { takeFromEnvironment, type LoadedConfig } from '../config/load-config.js'
import { VERSION } from '../config/version.js'
import type { Logger } from '../observability/log.js'
import { logFailure } from '../observability/log-failure.js'
import { createLogger } from '../observability/logger.js'
import { AggregateMetrics } from '../observability/aggregate-metrics.js'
import type { ProcessSignals } from '../process-signals.js'
import { SYSTEMD_VARIABLES, systemdEnvironment, type SystemdEnvironment } from '../systemd/environment.js'
import { LAST_WORD_TIMEOUT_MS } from '../systemd/notifier.js'
import { createNotifier } from '../systemd/notify-command.js'
import { forkWorker, setUpWorkers, type ForkedWorker } from './forked-worker.js'
import { Generations, type Member } from './generations.js'
import { watchDescriptor } from './inherited-socket.js'
import { Liveness } from './liveness.js'
import { ShutdownBound } from './shutdown-bound.js'
import { answer } from './rpc.js'
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
    // Before any worker is started, which would inherit what is meant for this process.
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
  const { config } = loaded
  const clock = systemClock
  const sessionSecret = randomBytes(32).toString('base64url')
  const metrics = new AggregateMetrics()
  let mayBeOpen = true
  // Nothing else may be left to keep the process alive while a worker that crashed waits for its replacement.
  const keepAlive = setInterval(() => undefined, 2 ** 30)
  const notifier = createNotifier(systemd, log)
  logStartupWarnings(loaded, systemd, log)
  const { listenFd } = systemd
  const canListen = listenFd === undefined ? () => true : watchDescriptor(listenFd)
  setUpWorkers()

  const exitCode = await new Promise<number>((resolve) => {
    const generations: Generations<ForkedWorker> = new Generations<ForkedWorker>({
      start(identity, listener) {
        const worker: ForkedWorker = forkWorker(
          identity,
          { sessionSecret, mayBeOpen, listenFd, clock },
          {
            ...listener,
            onProtected: () => (mayBeOpen = false),
            onEnded: ({ report, metrics: readings }) => {
              supervision.ended(identity, report)
              metrics.update(identity, readings)
            },
            onQuestion: (question) => answer(question, supervision.answers, (message) => worker.send(message)),
          },
        )
        return worker
      },
      onStarting: () => service?.starting(),
      onServing(address, generation) {
        supervision.started()
        service?.serving()
        metrics.supervisor.serving(generation)
        if (generation > 1) {
          metrics.supervisor.reloaded(true)
          return
        }
        const fields = { ...address, workers: config.workers, build: config.build, version: VERSION }
        log.info('listening', fields, `listening at ${address.httpUrl}`)
      },
      onReloadFailed() {
        service?.reloadFailed()
        metrics.supervisor.reloaded(false)
      },
      onNeverServed: ({ code }) => end(code ?? 1),
      onExit(member: Member<ForkedWorker>, isCrash) {
        metrics.depart(member)
        if (isCrash) metrics.supervisor.crashed()
        supervision.exited(member)
        if (!isCrash || canListen()) return
        log.error(
          'error',
          { listenFd },
          'the last worker has closed the socket that was handed over: restart the service',
        )
        end(1)
      },
      onGenerationGone: (generation) => supervision.generationGone(generation),
      onNobodyLeft() {
        supervision.closed()
        end(0)
      },
      clock,
      log,
    })
    const liveness: Liveness = new Liveness({
      members: () => generations.members(),
      timeoutSeconds: config.workerTimeoutSeconds,
      clock,
      log,
    })
    const query = new WorkerQuery(
      () => generations.members(),
      (member) => liveness.isSilent(member),
    )
    const bound = new ShutdownBound({
      limits: () => [...generations.members()].map(({ process: { limits = config } }) => limits),
      onExceeded: (waitedSeconds) => endAtOnce(waitedSeconds),
      clock,
    })
    const supervision: Supervision = new Supervision({ generations, query, metrics, clock, log })

    const service = notifier && new ServiceWatch({ notifier, supervision, clock, watchdogMs: systemd.watchdogMs })
    supervision.onState = (timeoutSeconds) => {
      service?.stateChanged()
      bound.stateChanged(supervision.state, timeoutSeconds)
    }
    // As much as can be done about a third signal: everything ends now.
    supervision.onThirdSignal = () => {
      for (const { process: worker } of generations.members()) worker.kill()
      end(1)
    }
    generations.begin()
    signals.passTo({
      onShutdown: (signal) => supervision.handleSignal(signal),
      onReload: () => generations.reload(),
    })

    function endAtOnce(waitedSeconds: number): void {
      const workers = [...generations.members()].map(({ worker, generation }) => ({ worker, generation }))
      log.error('shutdown.closed', { waitedSeconds, workers }, 'workers did not end in time: the primary kills them')
      for (const { process: worker } of generations.members()) worker.kill()
      end(1)
    }

    function end(code: number): void {
      generations.end()
      liveness.stop()
      resolve(code)
    }
  })
  await notifier?.flush(LAST_WORD_TIMEOUT_MS)
  clearInterval(keepAlive)
  return exitCode
}
