/**
 * `lastcall serve`: a server for this process, from the first signal handler to the exit code.
 */
import { systemClock as clock } from './clock.js'
import { takeFromEnvironment } from './config/load-config.js'
import type { Config } from './config/schema.js'
import { createServer, type LastcallServer } from './create-server.js'
import { LastcallError } from './errors.js'
import type { Logger } from './observability/log.js'
import { createLogger } from './observability/logger.js'
import { SYSTEMD_VARIABLES, systemdEnvironment, type SystemdEnvironment } from './systemd/environment.js'
import { QueuedNotifier, type Notifier } from './systemd/notifier.js'
import { notifyCommand } from './systemd/notify-command.js'
import { ServiceReporter } from './systemd/service-reporter.js'

/** How long the end waits until systemd has been told of it. */
const LAST_WORD_TIMEOUT_MS = 1000

/** Serves until a shutdown has ended. Resolves with the exit code. */
export async function runServer(config: Config): Promise<number> {
  const log = createLogger({ level: config.logLevel, format: config.logFormat })
  try {
    const systemd = systemdEnvironment(takeFromEnvironment(SYSTEMD_VARIABLES), process.pid)
    const notifier = createNotifier(systemd, log)
    const server = await createServer({ ...config, logger: log })
    server.shutdown.registerSignals()
    warnOfShortGrace(config, systemd, log)
    await server.listen({ fd: systemd.listenFd })
    if (notifier) reportTo(notifier, server, systemd)
    await server.shutdown.waitForShutdown()
    await notifier?.flush(LAST_WORD_TIMEOUT_MS)
    return 0
  } catch (error) {
    const known = error instanceof LastcallError || (error instanceof Error && 'code' in error)
    log.error('error', { error }, known ? error.message : 'the server could not start')
    return 1
  } finally {
    log.flush()
  }
}

const createNotifier = ({ notifySocket }: SystemdEnvironment, log: Logger): Notifier | undefined =>
  notifySocket === undefined ? undefined : new QueuedNotifier({ send: notifyCommand(notifySocket), log })

function reportTo(notifier: Notifier, server: LastcallServer, { watchdogMs }: SystemdEnvironment): void {
  const { shutdown, connections } = server
  const progress = () =>
    ({
      state: shutdown.state,
      activeConnections: connections.getActiveCount(),
      remainingMs: shutdown.remainingMs,
      report: shutdown.report,
    }) as const
  const reporter = new ServiceReporter({ notifier, progress, clock, watchdogMs })
  shutdown.observe(() => reporter.stateChanged())
}

/** Who is promised 30 minutes and killed after 30 seconds should know it before the deploy. */
function warnOfShortGrace(
  { shutdownTimeoutSeconds, closeTimeoutSeconds, terminationGraceSeconds }: Config,
  { notifySocket, isService }: SystemdEnvironment,
  log: Logger,
): void {
  // Whoever listens to us is asked for more time for as long as a shutdown takes (EXTEND_TIMEOUT_USEC).
  if (notifySocket !== undefined) return
  const neededSeconds = shutdownTimeoutSeconds + closeTimeoutSeconds
  if (terminationGraceSeconds !== undefined && terminationGraceSeconds < neededSeconds) {
    log.warn(
      'shutdown.grace',
      { terminationGraceSeconds, neededSeconds },
      'the platform kills this process before a shutdown may be over: grant more time, or lower SHUTDOWN_TIMEOUT',
    )
  }
  if (terminationGraceSeconds === undefined && isService) {
    log.warn(
      'shutdown.grace',
      { neededSeconds },
      'systemd kills this process after TimeoutStopSec, which cannot be seen from here: use Type=notify and ' +
        'NotifyAccess=all, or set TERMINATION_GRACE_SECONDS to it',
    )
  }
}
