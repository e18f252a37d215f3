/**
 * What is said at start about a configuration that is valid and yet deserves a look, before it hurts.
 */
import type { LoadedConfig } from './config/load-config.js'
import type { Config } from './config/schema.js'
import type { Logger } from './observability/log.js'
import type { SystemdEnvironment } from './systemd/environment.js'

export function logStartupWarnings({ config, warnings }: LoadedConfig, systemd: SystemdEnvironment, log: Logger): void {
  for (const warning of warnings) log.warn('config', warning)
  warnOfShortGrace(config, systemd, log)
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
