/**
 * Opens the journal that JOURNAL_URL names. The only file that knows the engines. Those of a broker are loaded only where
 * the URL names one: their libraries take long to load.
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
import { openPatiently } from './open-patiently.js'
import { keptSessionSecret } from './session-secret.js'

export interface OpenJournalOptions {
  /** More than the windows of the readers need: see `engineRetention`. */
  readonly retention: EngineRetention
  /** Default: the system's. */
  readonly clock?: Clock
  /**
   * How long an append may go unanswered before the journal counts as unavailable, in milliseconds (JOURNAL_TIMEOUT).
   * Default: 5,000; 2,000 for a journal on another machine.
   */
  readonly timeoutMs?: number | undefined
  /** Default: silent. */
  readonly log?: Logger
  /** Gives up waiting for the journal's server. Default: it is waited for as long as it takes. */
  readonly signal?: AbortSignal | undefined
  /** Called when the waiting for the journal's server begins, and when it ends. */
  readonly onWaiting?: ((isWaiting: boolean) => void) | undefined
}

/** A disk that writes back much at once answers late, and there is no other disk to turn to. */
const LOCAL_TIMEOUT_MS = 5000
/** A server that is silent for so long is probably cut off. Clients that wait longer than this for an ack send again. */
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
  const { signal = new AbortController().signal, onWaiting } = options
  const remote = { retention, timeoutMs: timeoutMs ?? REMOTE_TIMEOUT_MS, clock, log }
  const scheme = /^[a-z]+:/i.exec(url)?.[0].toLowerCase()
  switch (scheme) {
    case 'memory:':
      return new MemoryJournal({ retention: withinHistoryBytes(retention), clock })
    case 'file:':
      return openFileJournal(pathOf(url), {
        retention: withinHistoryBytes(retention),
        timeoutMs: timeoutMs ?? LOCAL_TIMEOUT_MS,
        clock,
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
 * Windows count the bytes of every entry, so an engine on this machine fills them with HISTORY_BYTES: memory and the disk
 * are not to hold twice as much.
 */
const withinHistoryBytes = (retention: EngineRetention): EngineRetention => ({
  ...retention,
  maxBytes: retention.maxEntryBytes ?? retention.maxBytes,
})

/**
 * The secret for sessions that is kept with a journal of files; `undefined`: this journal keeps none. A disk without room
 * for it does not keep the server from starting.
 *
 * @param url of a journal that is open.
 */
export async function sessionSecretBeside(url: string, log: Logger): Promise<string | undefined> {
  if (!/^file:/i.test(url)) return undefined
  try {
    return await keptSessionSecret(pathOf(url))
  } catch (error) {
    if (!(error instanceof LastcallError && error.temporary)) throw error
    log.warn('config', { error }, 'the session secret cannot be kept: sessions end with this process')
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
