/**
 * Opens the journal that JOURNAL_URL names. The only file that knows the engines.
 */
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { systemClock, type Clock } from '../clock.js'
import { LastcallError } from '../errors.js'
import { silentLogger, type Logger } from '../observability/log.js'
import { openFileJournal } from './file-journal.js'
import type { Journal, Retention } from './journal.js'
import { MemoryJournal } from './memory-journal.js'

export interface OpenJournalOptions {
  readonly retention: Retention
  /** Default: the system's. */
  readonly clock?: Clock
  /** Default: silent. */
  readonly log?: Logger
}

/** They are to come. */
const PLANNED_SCHEMES: ReadonlySet<string> = new Set(['redis:', 'rediss:', 'amqp:', 'amqps:'])

/**
 * @param url `memory:` or `file:PATH`, a directory: absolute, or seen from the working directory.
 * @throws {LastcallError} `config_invalid`: no such journal; `journal_unusable`; `journal_unavailable`.
 */
export async function openJournal(url: string, options: OpenJournalOptions): Promise<Journal> {
  const { retention, clock = systemClock, log = silentLogger } = options
  const scheme = /^[a-z]+:/i.exec(url)?.[0].toLowerCase()
  switch (scheme) {
    case 'memory:':
      return new MemoryJournal({ retention, clock })
    case 'file:':
      return openFileJournal(pathOf(url), { retention, clock, log })
    default: {
      if (scheme === undefined || !PLANNED_SCHEMES.has(scheme)) throw invalid(`${withoutSecrets(url)} is no journal`)
      throw invalid(`this build has no journal for ${scheme} yet`)
    }
  }
}

function pathOf(url: string): string {
  const path = url.startsWith('file://') ? fileURLToPath(url) : url.slice('file:'.length)
  if (path === '') throw invalid('file: names no directory')
  return resolve(path)
}

const withoutSecrets = (url: string): string => url.replace(/\/\/[^/]*@/, '//…@')

const invalid = (problem: string): LastcallError =>
  new LastcallError('config_invalid', `JOURNAL_URL: ${problem}; it may be memory: or file:PATH`)
