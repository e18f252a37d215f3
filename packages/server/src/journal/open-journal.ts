/**
 * Opens the journal that JOURNAL_URL names. The only file that knows the engines.
 */
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { systemClock, type Clock } from '../clock.js'
import { LastcallError } from '../errors.js'
import { silentLogger, type Logger } from '../observability/log.js'
import { openFileJournal } from './file-journal.js'
import type { EngineRetention, Journal } from './journal.js'
import { MemoryJournal } from './memory-journal.js'
import { openRabbitJournal } from './rabbit/rabbit-journal.js'

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
}

/** A disk that writes back much at once answers late, and there is no other disk to turn to. */
const LOCAL_TIMEOUT_MS = 5000
/** Clients that wait longer than this for an ack send again. */
const REMOTE_TIMEOUT_MS = 2000

/** They are to come. */
const PLANNED_SCHEMES: ReadonlySet<string> = new Set(['redis:', 'rediss:'])

/**
 * @param url `memory:`, or `file:PATH`, a directory: absolute, or seen from the working directory; or `amqp://…` (see
 *   rabbit/address.ts).
 * @throws {LastcallError} `config_invalid`: no such journal; `journal_unusable`; `journal_unavailable`.
 */
export async function openJournal(url: string, options: OpenJournalOptions): Promise<Journal> {
  const { retention, timeoutMs, clock = systemClock, log = silentLogger } = options
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
    case 'amqp:':
    case 'amqps:':
      return openRabbitJournal(url, { retention, timeoutMs: timeoutMs ?? REMOTE_TIMEOUT_MS, clock, log })
    default: {
      if (scheme === undefined || !PLANNED_SCHEMES.has(scheme)) throw invalid(`${withoutSecrets(url)} is no journal`)
      throw invalid(`this build has no journal for ${scheme} yet`)
    }
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

function pathOf(url: string): string {
  const path = url.startsWith('file://') ? fileURLToPath(url) : url.slice('file:'.length)
  if (path === '') throw invalid('file: names no directory')
  return resolve(path)
}

const withoutSecrets = (url: string): string => url.replace(/\/\/[^/]*@/, '//…@')

const invalid = (problem: string): LastcallError =>
  new LastcallError('config_invalid', `JOURNAL_URL: ${problem}; it may be memory:, file:PATH or amqp://HOST`)
