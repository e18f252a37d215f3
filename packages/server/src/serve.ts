/**
 * `lastcall serve` in one process: a server from the first signal handler to the exit code, and its reload by SIGHUP.
 */
import { assembleServer } from './assemble-server.js'
import { logStartupWarnings } from './startup-warnings.js'
import { systemClock as clock } from './clock.js'
import { takeFromEnvironment, type ConfigResult, type LoadedConfig } from './config/load-config.js'
import { formatProblem } from './config/problems.js'
import { planReload } from './config/reload-plan.js'
import type { Config } from './config/schema.js'
import type { AssembledServer } from './lastcall-server.js'
import type { Logger } from './observability/log.js'
import { logFailure } from './observability/log-failure.js'
import { createLogger } from './observability/logger.js'
import type { ProcessSignals } from './process-signals.js'
import type { ShutdownSignal } from './shutdown/signals.js'
import { exitEvenIfStuck } from './stuck-exit.js'
import { SYSTEMD_VARIABLES, systemdEnvironment, type SystemdEnvironment } from './systemd/environment.js'
import { LAST_WORD_TIMEOUT_MS, type Notifier } from './systemd/notifier.js'
import { createNotifier } from './systemd/notify-command.js'
import { ServiceReporter } from './systemd/service-reporter.js'

export interface RunOptions {
  /** Reads the configuration again. */
  readonly load: () => ConfigResult
  readonly signals: ProcessSignals
}

/** Serves until a shutdown has ended. Resolves with the exit code. */
export async function runServer(loaded: LoadedConfig, { load, signals }: RunOptions): Promise<number> {
  const { config } = loaded
  const log = createLogger({ level: config.logLevel, format: config.logFormat })
  try {
    signals.starting({
      onEnd: (signal) => log.info('shutdown.closed', { signal }, 'closed before the start was complete'),
      onGivenUp() {
        const text = 'the disk does not answer: the process is killed before its start is complete'
        log.error('shutdown.given_up', { givenUp: ['the start'] }, text)
        log.flush()
      },
      timeoutMs: config.closeTimeoutSeconds * 1_000,
    })
    const systemd = systemdEnvironment(takeFromEnvironment(SYSTEMD_VARIABLES), process.pid)
    const notifier = createNotifier(systemd, log)
    logStartupWarnings(loaded, systemd, log)
    const server = await assembleServer(config, { log })
    const onShutdown = (signal: ShutdownSignal): void => server.shutdown.handleSignal(signal)
    signals.passTo({ onShutdown })
    exitEvenIfStuck(() => server.givenUp.length > 0 || server.health().journal === 'down')
    await server.listen({ fd: systemd.listenFd })
    if (notifier) reportTo(notifier, server, systemd)
    signals.passTo({ onShutdown, onReload: reloader({ server, config, load, notifier, log }) })
    await server.shutdown.waitForShutdown()
    await notifier?.flush(LAST_WORD_TIMEOUT_MS)
    return server.givenUp.length > 0 ? 1 : 0
  } catch (error) {
    logFailure(error, log, config)
    return 1
  } finally {
    log.flush()
  }
}

function reportTo(notifier: Notifier, server: AssembledServer, { watchdogMs }: SystemdEnvironment): void {
  const { shutdown, connections } = server
  const state = () => shutdown.state
  const progress = () => ({
    activeConnections: connections.getActiveCount(),
    remainingMs: shutdown.remainingMs,
    report: shutdown.report,
  })
  const reporter = new ServiceReporter({ notifier, state, progress, clock, watchdogMs })
  shutdown.observe(() => reporter.stateChanged())
}

interface Reload {
  readonly server: AssembledServer
  readonly config: Config
  readonly load: () => ConfigResult
  readonly notifier: Notifier | undefined
  readonly log: Logger
}

/**
 * Applies the changes that a running process can: TLS files and the keys of tokens. After any problem the server continues
 * unchanged.
 */
function reloader({ server, config, load, notifier, log }: Reload): () => void {
  let current = config
  return () => {
    log.info('reload.started', 'reading TLS files and the keys of tokens again')
    // Do not send READY=1 once a shutdown has started.
    const told = server.shutdown.isReady ? notifier : undefined
    told?.reloading()
    try {
      const result = load()
      if (!result.ok) {
        const problems = result.problems.map(formatProblem)
        log.error('reload.failed', { problems }, 'the configuration is not valid: the server keeps the old one')
        return
      }
      for (const warning of result.warnings) log.warn('config', warning)
      const { config: next, renewed, needRestart } = planReload(current, result.config)
      server.renewKeys(next)
      current = next
      const restart = needRestart.length === 0 ? '' : `; these need a restart: ${needRestart.join(', ')}`
      log.info('reload.done', { renewed, needRestart }, `read again: ${renewed.join(', ') || 'nothing'}${restart}`)
    } catch (error) {
      log.error('reload.failed', { error }, 'the server keeps the old configuration')
    } finally {
      told?.ready()
    }
  }
}
