/**
 * Opens the journal that JOURNAL_URL names. Only this file knows the engines. The engine of a broker is loaded only if
 * the URL names it, because its library takes long to load.
 */
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { systemClock, type Clock } from '../clock.js'
import { withoutCredentials } from '../conceal.js'
import { LastcallError } from '../errors.js'
import { silentLogger, type Logger } from '../observability/log.js'
import { openFileJournal } from './file-journal.js'
import type { EngineRetention, Journal } from './journal.js'
import { MemoryJournal } from './memory-journal.js'
import { systemRandomness, type Randomness } from '../randomness.js'
import { openPatiently } from './open-patiently.js'
import { keptSessionSecret } from './session-secret.js'

export interface OpenJournalOptions {
  /** More than the windows of the readers need: see `engineRetention`. */
  readonly retention: EngineRetention
  /** Default: the system's clock. */
  readonly clock?: Clock
  /** Default: the system's. */
  readonly randomness?: Randomness
  /**
   * How long an append may wait for its answer before the journal counts as unavailable, in milliseconds
   * (JOURNAL_TIMEOUT). Default: 5,000; 2,000 for a journal on another machine.
   */
  readonly timeoutMs?: number | undefined
  /** Default: silent. */
  readonly log?: Logger
  /** Ends the wait for the journal's server. Default: the wait has no limit. */
  readonly signal?: AbortSignal | undefined
  /** The wait for the journal's server has begun or ended. */
  readonly onWaiting?: ((isWaiting: boolean) => void) | undefined
}

/** A disk that writes back a lot at once answers late, and the server has no other disk. */
const LOCAL_TIMEOUT_MS = 5000
/**
 * A server that does not answer for this long is probably cut off. A client that waits longer for an ack publishes
 * again.
 */
const REMOTE_TIMEOUT_MS = 2000

/**
 * Resolves when the journal can be used. While its server cannot be reached, that takes as long as the outage.
 *
 * @param url `memory:`, or `file:PATH`, a directory: absolute, or seen from the working directory; or `redis://…` (see
 *   redis/redis-url.ts); or `amqp://…` (see rabbit/address.ts).
 * @throws {LastcallError} `config_invalid`: no such journal; `journal_unusable`; `journal_unavailable`.
 */
export async function openJournal(url: string, options: OpenJournalOptions): Promise<Journal> {
  const { retention, timeoutMs, clock = systemClock, log = silentLogger } = options
  const { randomness = systemRandomness } = options
  const { signal = new AbortController().signal, onWaiting } = options
  const remote = { retention, timeoutMs: timeoutMs ?? REMOTE_TIMEOUT_MS, clock, log }
  const scheme = /^[a-z]+:/i.exec(url)?.[0].toLowerCase()
  switch (scheme) {
    case 'memory:':
      return new MemoryJournal({ retention: withinHistoryBytes(retention), clock, randomness })
    case 'file:':
      return openFileJournal(pathOf(url), {
        retention: withinHistoryBytes(retention),
        timeoutMs: timeoutMs ?? LOCAL_TIMEOUT_MS,
        clock,
        randomness,
        log,
      })
    case 'redis:':
    case 'rediss:': {
      const { openRedisJournal } = await import('./redis/redis-journal.js')
      return openPatiently(() => openRedisJournal(url, { ...remote, signal }), { log, signal, onWaiting })
    }
    case 'amqp:':
    case 'amqps:': {
      const { openRabbitJournal } = await import('./rabbit/rabbit-journal.js')
      return openPatiently(() => openRabbitJournal(url, { ...remote, signal }), { log, signal, onWaiting })
    }
    default:
      throw invalid(`${withoutCredentials(url)} is no journal`)
  }
}

/**
 * The retention for an engine on this machine. Windows count the bytes of every entry, so HISTORY_BYTES of entries fill
 * them, and the engine need not hold more than that in memory or on the disk.
 */
const withinHistoryBytes = (retention: EngineRetention): EngineRetention => ({
  ...retention,
  maxBytes: retention.maxEntryBytes ?? retention.maxBytes,
})

/**
 * The secret for sessions that a journal of files stores. `undefined`: the journal stores none. A disk without room for
 * it does not keep the server from starting.
 *
 * @param url The URL of a journal that is open.
 */
export async function sessionSecretBeside(
  url: string,
  log: Logger,
  randomness: Randomness = systemRandomness,
): Promise<string | undefined> {
  if (!/^file:/i.test(url)) return undefined
  try {
    return await keptSessionSecret(pathOf(url), randomness)
  } catch (error) {
    if (!(error instanceof LastcallError && error.temporary)) throw error
    log.warn('config', { error }, 'the server cannot store the session secret: sessions end with this process')
    return undefined
  }
}

function pathOf(url: string): string {
  const path = url.startsWith('file://') ? fileURLToPath(url) : url.slice('file:'.length)
  if (path === '') throw invalid('file: names no directory')
  return resolve(path)
}

const invalid = (problem: string): LastcallError =>
  new LastcallError(
    'config_invalid',
    `JOURNAL_URL: ${problem}; it may be memory:, file:PATH, redis://HOST or amqp://HOST`,
  )
