/**
 * `lastcall serve`: a server for this process, from the first signal handler to the exit code.
 */
import type { Config } from './config/schema.js'
import { createServer } from './create-server.js'
import { LastcallError } from './errors.js'
import { createLogger } from './observability/logger.js'

/** Serves until a shutdown has ended. Resolves with the exit code. */
export async function runServer(config: Config): Promise<number> {
  const log = createLogger({ level: config.logLevel, format: config.logFormat })
  try {
    const server = await createServer({ ...config, logger: log })
    server.shutdown.registerSignals()
    warnOfShortGrace(config)
    await server.listen()
    await server.shutdown.waitForShutdown()
    return 0
  } catch (error) {
    const known = error instanceof LastcallError || (error instanceof Error && 'code' in error)
    log.error('error', { error }, known ? error.message : 'the server could not start')
    return 1
  } finally {
    log.flush()
  }

  /** Who is promised 30 minutes and killed after 30 seconds should know it before the deploy. */
  function warnOfShortGrace({ shutdownTimeoutSeconds, closeTimeoutSeconds, terminationGraceSeconds }: Config): void {
    const neededSeconds = shutdownTimeoutSeconds + closeTimeoutSeconds
    if (terminationGraceSeconds === undefined || terminationGraceSeconds >= neededSeconds) return
    log.warn(
      'shutdown.grace',
      { terminationGraceSeconds, neededSeconds },
      'the platform kills this process before a shutdown may be over: grant more time, or lower SHUTDOWN_TIMEOUT',
    )
  }
}
