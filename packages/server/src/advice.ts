/**
 * What is said at start about a configuration that is valid and yet deserves a look, before it hurts.
 */
import type { LoadedConfig } from './config/load-config.js'
import type { Logger } from './observability/log.js'

export function adviseOn({ config, warnings }: LoadedConfig, log: Logger): void {
  for (const warning of warnings) log.warn('config', warning)
  // Who is promised 30 minutes and killed after 30 seconds should know it before the deploy.
  const { shutdownTimeoutSeconds, closeTimeoutSeconds, terminationGraceSeconds } = config
  const neededSeconds = shutdownTimeoutSeconds + closeTimeoutSeconds
  if (terminationGraceSeconds === undefined || terminationGraceSeconds >= neededSeconds) return
  log.warn(
    'shutdown.grace',
    { terminationGraceSeconds, neededSeconds },
    'the platform kills this process before a shutdown may be over: grant more time, or lower SHUTDOWN_TIMEOUT',
  )
}
