/**
 * The composition of the journal: opens the one that the configuration names, or takes the application's, and finds the
 * secret for sessions that belongs to it.
 */
import type { Clock } from './clock.js'
import { isRemote } from './config/cross-checks.js'
import { configuredSessionSecret } from './config/session-secret.js'
import type { Config } from './config/schema.js'
import { engineRetention } from './journal/entry-limit.js'
import type { Journal, Retention } from './journal/journal.js'
import { openJournal, sessionSecretBeside } from './journal/open-journal.js'
import type { Logger } from './observability/log.js'
import type { Randomness } from './randomness.js'

export interface JournalParts {
  /** The application's journal. Default: the server opens and closes the one that JOURNAL_URL names. */
  readonly given: Journal | undefined
  /** Aborts the wait for the journal's server. */
  readonly signal: AbortSignal | undefined
  /** Called when the wait for the journal's server begins, and when it ends. */
  readonly onWaiting: ((isWaiting: boolean) => void) | undefined
  readonly clock: Clock
  readonly randomness: Randomness
  readonly log: Logger
}

export interface ComposedJournal {
  readonly journal: Journal
  readonly retention: Retention
  /** The secret that signs sessions. `undefined`: neither the configuration nor the journal has one. */
  readonly sessionSecret: string | undefined
  /** Whether a server on another machine keeps the journal. */
  readonly hasServer: boolean
  /** Closes the journal, unless it is the application's. */
  close(): Promise<void>
}

export async function composeJournal(
  config: Config,
  { given, signal, onWaiting, clock, randomness, log }: JournalParts,
): Promise<ComposedJournal> {
  const retention: Retention = {
    maxEntries: config.historySize,
    maxAgeMs: config.historyTtlSeconds * 1000,
    maxBytes: config.historyBytes,
  }
  const configuredSecret = configuredSessionSecret(config)
  if (given) {
    return {
      journal: given,
      retention,
      sessionSecret: configuredSecret,
      hasServer: false,
      close: () => Promise.resolve(),
    }
  }
  const { journalUrl, journalTimeoutSeconds } = config
  const journal = await openJournal(journalUrl, {
    retention: engineRetention(retention),
    timeoutMs: journalTimeoutSeconds === undefined ? undefined : journalTimeoutSeconds * 1000,
    clock,
    randomness,
    log,
    signal,
    onWaiting,
  })
  return {
    journal,
    retention,
    sessionSecret: configuredSecret ?? (await sessionSecretBeside(journalUrl, log, randomness)),
    hasServer: isRemote(config),
    close: () => journal.close(),
  }
}
