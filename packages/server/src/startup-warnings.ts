/**
 * Warnings at the start about a configuration that is valid and may still fail an operator later.
 */
import type { LoadedConfig } from './config/load-config.js'
import type { Config } from './config/schema.js'
import type { Logger } from './observability/log.js'
import type { SystemdEnvironment } from './systemd/environment.js'

export function logStartupWarnings({ config, warnings }: LoadedConfig, systemd: SystemdEnvironment, log: Logger): void {
  for (const warning of warnings) log.warn('config', warning)
  warnOfShortGrace(config, systemd, log)
}

/**
 * Warns if the platform grants less time than a shutdown may take: for example, if it kills the server after 30 s of
 * its 30 minutes. An operator should learn that before a deploy.
 */
function warnOfShortGrace(
  { shutdownTimeoutSeconds, closeTimeoutSeconds, terminationGraceSeconds }: Config,
  { notifySocket, isService }: SystemdEnvironment,
  log: Logger,
): void {
  // The server asks systemd for more time during a shutdown (EXTEND_TIMEOUT_USEC).
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
      'systemd kills this process after TimeoutStopSec, which the server cannot read: use Type=notify and ' +
        'NotifyAccess=all, or set TERMINATION_GRACE_SECONDS to it',
    )
  }
}
