/**
 * `lastcall serve` in one process: a server from the first signal handler to the exit code, and its reload by SIGHUP.
 */
import { adviseOn } from './advice.js'
import type { ConfigResult, LoadedConfig } from './config/load-config.js'
import { formatProblem } from './config/problems.js'
import { planReload } from './config/reload-plan.js'
import type { Config } from './config/schema.js'
import { assembleServer, type AssembledServer } from './create-server.js'
import { LastcallError } from './errors.js'
import type { Logger } from './observability/log.js'
import { createLogger } from './observability/logger.js'

/** Serves until a shutdown has ended. Resolves with the exit code. `load` reads the configuration again. */
export async function runServer(loaded: LoadedConfig, load: () => ConfigResult): Promise<number> {
  const { config } = loaded
  const log = createLogger({ level: config.logLevel, format: config.logFormat })
  try {
    // From here on: it would end the process otherwise.
    let reload = (): void => log.warn('reload.failed', 'the server is only starting, and has just read everything')
    process.on('SIGHUP', () => reload())
    adviseOn(loaded, log)
    const server = await assembleServer(config, { log })
    server.shutdown.registerSignals()
    await server.listen()
    reload = reloader(server, config, load, log)
    await server.shutdown.waitForShutdown()
    return 0
  } catch (error) {
    logFailure(error, log)
    return 1
  } finally {
    log.flush()
  }
}

/** Takes over what a running process can: TLS files and the keys of tokens. Whatever is wrong, the server serves on. */
function reloader(server: AssembledServer, config: Config, load: () => ConfigResult, log: Logger): () => void {
  let current = config
  return () => {
    log.info('reload.started', 'reading TLS files and the keys of tokens again')
    try {
      const result = load()
      if (!result.ok) {
        const problems = result.problems.map(formatProblem)
        log.error('reload.failed', { problems }, 'the configuration is not valid: everything is as it was')
        return
      }
      for (const warning of result.warnings) log.warn('config', warning)
      const { config: next, renewed, needRestart } = planReload(current, result.config)
      server.renewKeys(next)
      current = next
      const restart = needRestart.length === 0 ? '' : `; not in force before a restart: ${needRestart.join(', ')}`
      log.info('reload.done', { renewed, needRestart }, `read again: ${renewed.join(', ') || 'nothing'}${restart}`)
    } catch (error) {
      log.error('reload.failed', { error }, 'everything is as it was')
    }
  }
}

/** Why a server could not start: what is known by a code says it itself. */
export function logFailure(error: unknown, log: Logger): void {
  const known = error instanceof LastcallError || (error instanceof Error && 'code' in error)
  log.error('error', { error }, known ? error.message : 'the server could not start')
}
