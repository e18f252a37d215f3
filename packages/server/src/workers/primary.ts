/**
 * `lastcall serve` with WORKERS: the process that only supervises. It has the port and hands connections out (that is
 * node:cluster's part), starts the workers, listens to signals, and answers for the whole. It serves nobody itself, so
 * there is little in it that can go wrong.
 */
import { randomBytes } from 'node:crypto'
import { adviseOn } from '../advice.js'
import { systemClock } from '../clock.js'
import { takeFromEnvironment, type LoadedConfig } from '../config/load-config.js'
import { VERSION } from '../config/version.js'
import { createLogger } from '../observability/logger.js'
import { WholeMetrics } from '../observability/whole-metrics.js'
import { onShutdownSignals } from '../shutdown/signals.js'
import { SYSTEMD_VARIABLES, systemdEnvironment } from '../systemd/environment.js'
import { forkWorker, setUpWorkers, type ForkedWorker } from './forked-worker.js'
import { Generations, type Member } from './generations.js'
import { answer } from './questions.js'
import { Roll } from './roll.js'
import { Supervision } from './supervision.js'

/** Supervises until a shutdown has ended. Resolves with the exit code. */
export async function runPrimary(loaded: LoadedConfig): Promise<number> {
  const { config } = loaded
  const clock = systemClock
  const log = createLogger({ level: config.logLevel, format: config.logFormat })
  const sessionSecret = randomBytes(32).toString('base64url')
  const metrics = new WholeMetrics()
  let mayBeOpen = true
  // Nothing else may be left to keep the process alive while a worker that crashed waits for its replacement.
  const keepAlive = setInterval(() => undefined, 2 ** 30)
  adviseOn(loaded, systemdEnvironment(takeFromEnvironment(SYSTEMD_VARIABLES), process.pid), log)
  setUpWorkers()

  return new Promise<number>((resolve) => {
    const generations: Generations<ForkedWorker> = new Generations<ForkedWorker>({
      start(identity, listener) {
        const worker: ForkedWorker = forkWorker(
          identity,
          { sessionSecret, mayBeOpen, clock },
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
      onServing(address, generation) {
        metrics.supervisor.serving(generation)
        if (generation > 1) {
          metrics.supervisor.reloaded(true)
          return
        }
        const fields = { ...address, workers: config.workers, build: config.build, version: VERSION }
        log.info('listening', fields, `listening at ${address.httpUrl}`)
      },
      onReloadFailed: () => metrics.supervisor.reloaded(false),
      onNeverServed: ({ code }) => end(code ?? 1),
      onExit(member: Member<ForkedWorker>, isCrash) {
        metrics.depart(member)
        if (isCrash) metrics.supervisor.crashed()
        supervision.exited(member)
      },
      onGenerationGone: (generation) => supervision.generationGone(generation),
      onNobodyLeft() {
        supervision.closed()
        end(0)
      },
      clock,
      log,
    })
    const roll = new Roll(() => generations.members())
    const supervision: Supervision = new Supervision({ generations, roll, metrics, clock, log })

    const stopSignals = onShutdownSignals((signal) => supervision.handleSignal(signal))
    process.on('SIGHUP', () => generations.reload())
    // As much as can be done about a third signal: everything ends now.
    supervision.onThirdSignal = () => {
      for (const { process: worker } of generations.members()) worker.kill()
      end(1)
    }
    generations.begin()

    function end(code: number): void {
      stopSignals()
      clearInterval(keepAlive)
      log.flush()
      resolve(code)
    }
  })
}
