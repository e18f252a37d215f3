/**
 * `createServer`: a server for an application that uses lastcall as a library.
 */
import { assembleServer } from './assemble-server.js'
import { configFrom } from './config/load-config.js'
import type { Config } from './config/schema.js'
import { LastcallError } from './errors.js'
import type { Journal } from './journal/journal.js'
import type { LastcallServer } from './lastcall-server.js'
import { silentLogger, type Logger } from './observability/log.js'
import type { Hooks } from './sessions/hooks.js'

export interface ServerOptions extends Partial<Config> {
  /** Default: the server logs nothing. */
  readonly logger?: Logger
  /** The application's callbacks, by which it accepts clients and messages. Default: the server decides alone. */
  readonly hooks?: Hooks
  /**
   * A journal of the application, instead of the one that `journalUrl` names. Several servers may share one journal. A server
   * stops reading the journal when it closes and leaves it open: the application closes the journal after the server.
   * The journal should retain what `engineRetention` returns for the server's HISTORY_* values; `lastcall/testing` has the
   * contract of a journal as tests.
   */
  readonly journal?: Journal
  /** Aborts the wait for the journal's server. Default: the server waits as long as the outage lasts. */
  readonly signal?: AbortSignal
}

/**
 * Opens the journal and assembles the server, which does not listen yet. While the journal's server cannot be reached, the
 * promise stays pending.
 *
 * @throws {LastcallError} `config_invalid`, or `journal_unusable`; `journal_unavailable` when `signal` was aborted.
 */
export async function createServer({
  logger: log = silentLogger,
  hooks = {},
  journal,
  signal,
  ...options
}: ServerOptions = {}): Promise<LastcallServer> {
  if (journal && options.journalUrl !== undefined) {
    throw new LastcallError('config_invalid', 'journal and journalUrl: only one of them may be given')
  }
  return assembleServer(configFrom(options), { log, hooks, journal, signal })
}
