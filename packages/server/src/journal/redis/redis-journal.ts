/**
 * `redis:` and `rediss:`: one stream of Redis 7 or Valkey that any number of instances on any number of machines share.
 * An append is as durable as the configuration of the server makes it (docs/operations.md).
 */
import { randomInt } from 'node:crypto'
import type { Clock } from '../../clock.js'
import { LastcallError } from '../../errors.js'
import type { Logger } from '../../observability/log.js'
import { encodeEntryText } from '../entry-codec.js'
import type { EngineRetention, Journal, JournalListener, NewEntry, Tail } from '../journal.js'
import { expectToFit } from '../retention.js'
import { ByteBudget } from './byte-budget.js'
import { dial } from './dial.js'
import { EPOCHS_PER_MS, Epochs } from './epochs.js'
import type { OwnPlace } from './log-matching.js'
import type { RedisLink } from './redis-link.js'
import { asUnavailable } from './redis-problems.js'
import { RedisReader } from './redis-reader.js'
import { describeTarget, parseRedisUrl, type RedisTarget } from './redis-url.js'
import { RedisWriter } from './redis-writer.js'

export interface RedisJournalOptions {
  readonly retention: EngineRetention
  /** How long the server may take to answer, in milliseconds. */
  readonly timeoutMs: number
  readonly clock: Clock
  readonly log: Logger
  /** Ends the attempts to open the journal. */
  readonly signal?: AbortSignal | undefined
}

/**
 * Makes one attempt.
 *
 * @throws {LastcallError} `config_invalid`, `journal_unusable`; `journal_unavailable`: a later attempt may succeed.
 */
export async function openRedisJournal(url: string, options: RedisJournalOptions): Promise<Journal> {
  const parsed = parseRedisUrl(url)
  if (!parsed.ok) throw new LastcallError('config_invalid', `JOURNAL_URL ${parsed.problem}`)
  const journal = new RedisJournal(parsed.target, options)
  await journal.open(options.signal)
  return journal
}

/** A tail and its error. */
interface OpenTail {
  readonly reader: RedisReader
  readonly running: Promise<void>
  error: LastcallError | undefined
  isAvailable: boolean
}

class RedisJournal implements Journal {
  readonly isShared = true
  readonly #options: RedisJournalOptions
  readonly #target: RedisTarget
  readonly #where: string
  readonly #epochs: Epochs
  readonly #budget: ByteBudget
  readonly #writer: RedisWriter
  readonly #tails = new Set<OpenTail>()
  readonly #warnings = new Set<string>()
  /** The newest entry that Redis has confirmed to the writer. */
  #confirmed: OwnPlace | undefined
  #writerError: LastcallError | undefined
  #writing: Promise<void> | undefined
  #closed: Promise<void> | undefined

  constructor(target: RedisTarget, options: RedisJournalOptions) {
    this.#options = options
    this.#target = target
    this.#where = describeTarget(target)
    this.#epochs = new Epochs(
      () => options.clock.now(),
      () => randomInt(EPOCHS_PER_MS),
    )
    this.#budget = new ByteBudget(options.retention.maxBytes)
    this.#writer = new RedisWriter({
      ...this.#common(),
      maxEntries: options.retention.maxEntries,
      onConfirmed: (place) => (this.#confirmed = place),
      onState: (error) => {
        this.#writerError = error
        for (const tail of this.#tails) this.#tellAvailability(tail)
      },
    })
  }

  #common() {
    return {
      dial: (signal: AbortSignal): Promise<RedisLink> => this.#dial(signal),
      where: this.#where,
      key: this.#target.key,
      epochs: this.#epochs,
      budget: this.#budget,
      log: this.#options.log,
    }
  }

  #dial(signal: AbortSignal): Promise<RedisLink> {
    const { timeoutMs, log } = this.#options
    return dial({
      target: this.#target,
      timeoutMs,
      signal,
      onWarning: (warning) => {
        if (this.#warnings.has(warning)) return
        this.#warnings.add(warning)
        log.warn('config', `${this.#where}: ${warning}`)
      },
    })
  }

  async open(signal?: AbortSignal): Promise<void> {
    const giveUp = (): void => this.#writer.stop()
    if (signal?.aborted) giveUp()
    signal?.addEventListener('abort', giveUp)
    try {
      await this.#writer.open()
    } finally {
      signal?.removeEventListener('abort', giveUp)
    }
    this.#writing = this.#writer.run()
  }

  async append(entries: readonly NewEntry[]): Promise<void> {
    this.#expectOpen()
    const encoded = entries.map(encodeEntryText)
    for (const text of encoded) expectToFit(Buffer.byteLength(text), this.#options.retention)
    if (encoded.length === 0) return
    // After a reconnection the writer would append to whatever stream it finds. The readers first check whether it is
    // still the same log.
    for (const { error } of this.#tails) if (error) throw asUnavailable(error)
    await this.#writer.append(encoded)
  }

  async tail(listener: JournalListener): Promise<Tail> {
    this.#expectOpen()
    const { retention, timeoutMs, clock } = this.#options
    const onState = (error: LastcallError | undefined): void => {
      tail.error = error
      this.#tellAvailability(tail)
    }
    const confirmed = (): OwnPlace | undefined => this.#confirmed
    const options = { ...this.#common(), retention, timeoutMs, clock, confirmed, onState }
    const reader = new RedisReader(listener, options)
    const tail: OpenTail = { reader, running: reader.run(), error: undefined, isAvailable: true }
    this.#tails.add(tail)
    const stop = async (): Promise<void> => {
      reader.stop()
      this.#tails.delete(tail)
      await tail.running
    }
    await reader.started
    this.#tellAvailability(tail)
    return { stop }
  }

  #tellAvailability(tail: OpenTail): void {
    const error = this.#writerError ?? tail.error
    if (tail.isAvailable === !error) return
    tail.isAvailable = !error
    tail.reader.tellAvailability(error)
  }

  close(): Promise<void> {
    return (this.#closed ??= this.#shutDown())
  }

  async #shutDown(): Promise<void> {
    const tails = [...this.#tails]
    for (const { reader } of tails) reader.stop()
    await this.#writer.settled()
    this.#writer.stop()
    await Promise.all([this.#writing, ...tails.map(({ running }) => running)])
  }

  #expectOpen(): void {
    if (this.#closed) throw new LastcallError('wrong_state', 'the journal is closed')
  }
}
