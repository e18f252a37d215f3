/**
 * A worker: it serves like a single process, but obeys the primary's messages instead of signals, and answers HTTP requests for
 * the state with the primary's aggregate.
 */
import cluster from 'node:cluster'
import { assembleServer } from '../assemble-server.js'
import { systemClock } from '../clock.js'
import { LOG_FD_VARIABLE, takeFromEnvironment, type LoadedConfig } from '../config/load-config.js'
import { asksForToken } from '../config/reload-plan.js'
import type { Config } from '../config/schema.js'
import { LastcallError } from '../errors.js'
import type { AssembledServer } from '../lastcall-server.js'
import { explainFailure, logFailure } from '../observability/log-failure.js'
import { createLogger } from '../observability/logger.js'
import type { ProcessSignals } from '../process-signals.js'
import { exitEvenIfStuck } from '../stuck-exit.js'
import type { WorkerIdentity } from './messages.js'
import { PrimaryLink, type Commands, type WorkerAnswering } from './primary-link.js'
import { quietly } from './quiet-log.js'
import { WaitingReport } from './waiting-report.js'

const EXIT_FAILURE = 1
const EXIT_CONFIG = 78

/**
 * After a reload: how long the worker still accepts clients whose connection it accepted before it stopped listening, and that
 * have not sent a request yet.
 */
const LEAVE_DELAY_SECONDS = 3

/** Serves until the primary shuts it down. Resolves with the exit code. */
export async function runWorker({ config }: LoadedConfig, signals: ProcessSignals): Promise<number> {
  const clock = systemClock
  let server: AssembledServer | undefined
  // A terminal sends Ctrl-C to the process group, the primary included: the worker ignores it, so that it does not count twice.
  let isOrphan = false
  const hurryOrphan = (): void => {
    if (isOrphan) server?.shutdown.hurry()
  }
  signals.passTo({ onShutdown: hurryOrphan, onReload: hurryOrphan })

  const link = new PrimaryLink(clock)
  const { shutdownTimeoutSeconds, closeTimeoutSeconds } = config
  const start = await link.hello(config.workers ?? 1, { shutdownTimeoutSeconds, closeTimeoutSeconds })
  const { identity, sessionSecret, mayBeOpen, waitsToListen = false, listenFd } = start
  const { [LOG_FD_VARIABLE]: logFd = '1' } = takeFromEnvironment([LOG_FD_VARIABLE])
  const log = createLogger({ level: config.logLevel, format: config.logFormat, fd: Number(logFd) }).child({
    ...identity,
  })
  try {
    if (config.workers === undefined) {
      throw new LastcallError('config_invalid', 'WORKERS: a reload cannot remove it. Restart the server')
    }
    const isOpen = !asksForToken(config)
    if (isOpen && !mayBeOpen) {
      throw new LastcallError('config_invalid', 'AUTH_*: a reload cannot turn authentication off. Restart the server')
    }
    const waiting = new WaitingReport(clock, () => void link.tell({ kind: 'waiting' }))
    const assembled = await assembleServer(configOfOne(config, identity), {
      sharedSessionSecret: sessionSecret,
      log: quietly(log),
      onWaitingForJournal: (isWaiting) => waiting.set(isWaiting),
      aggregateStatus: (own) => link.aggregateStatus(own),
    })
    waiting.set(false)
    server = assembled
    exitEvenIfStuck(() => assembled.givenUp.length > 0 || assembled.health().journal === 'down')
    link.serve(commandsFor(assembled), answersOf(assembled))
    if (waitsToListen) await link.prepared()
    const address = await assembled.listen({ fd: listenFd })
    onPrimaryGone(() => {
      isOrphan = true
      log.error('error', 'the primary has ended: this worker drains and ends')
      // No primary supervises this worker any more, and another server may have replaced it: it does not wait for the default
      // of thirty minutes.
      if (!assembled.shutdown.begin('orphaned', { mode: 'migrate' })) assembled.shutdown.hurry()
    })
    await link.tell({ kind: 'ready', address, isOpen })
    const report = await assembled.shutdown.waitForShutdown()
    await link.tell({ kind: 'ended', report, metrics: await assembled.metricReadings() })
    return assembled.givenUp.length > 0 ? EXIT_FAILURE : 0
  } catch (error) {
    logFailure(error, log, config)
    await link.tell({ kind: 'failed', message: explainFailure(error, config).message })
    return error instanceof LastcallError && error.code === 'config_invalid' ? EXIT_CONFIG : EXIT_FAILURE
  } finally {
    log.flush()
  }
}

/** The configuration of one worker: its share of the limits that hold for all workers together. */
export function configOfOne(config: Config, { worker }: WorkerIdentity): Config {
  const { workers = 1, maxConnections } = config
  const share = Math.floor(maxConnections / workers) + (worker <= maxConnections % workers ? 1 : 0)
  return {
    ...config,
    // A share of 0 would mean "no limit".
    maxConnections: maxConnections === 0 ? 0 : Math.max(1, share),
  }
}

const commandsFor = (server: AssembledServer): Commands => ({
  leave() {
    server.stopListening()
    server.shutdown.begin('reload', { delaySeconds: LEAVE_DELAY_SECONDS })
  },
  shutdown({ why, request }) {
    server.shutdown.begin(why, request)
  },
  hurry() {
    server.shutdown.hurry()
  },
})

const answersOf = ({ shutdown, ownStatus, metricReadings }: AssembledServer): WorkerAnswering => ({
  standing: async () => ({
    health: await ownStatus.health(),
    state: shutdown.state,
    remainingMs: shutdown.remainingMs,
    report: shutdown.report,
  }),
  metrics: metricReadings,
  alive: () => true,
  cancel: (content) => shutdown.cancel((content as { why: string }).why),
})

/** Calls back when the channel to the primary closes. By default Node would then end the worker and its connections. */
function onPrimaryGone(callback: () => void): void {
  process.prependOnceListener('disconnect', () => {
    // This keeps Node from ending the process: it believes that this worker disconnected on purpose.
    if (cluster.worker) cluster.worker.exitedAfterDisconnect = true
    callback()
  })
}
