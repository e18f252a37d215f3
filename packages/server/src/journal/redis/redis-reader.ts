/**
 * One tail: reads the stream over a connection of its own, from the oldest retained entry on. After each reconnection,
 * and whenever the stream was silent, it checks whether it is still the same log.
 */
import { setTimeout } from 'node:timers/promises'
import type { Clock } from '../../clock.js'
import type { LastcallError } from '../../errors.js'
import type { Logger } from '../../observability/log.js'
import { ReconnectBackoff } from '../reconnect-backoff.js'
import { decodeEntry } from '../entry-codec.js'
import { BatchDelay } from '../batch-delay.js'
import type { Entry, JournalListener, Retention } from '../journal.js'
import { Listeners } from '../listeners.js'
import type { ByteBudget } from './byte-budget.js'
import { compareEpochs, type Epochs } from './epochs.js'
import { copyOf, countHistory, historyBegin, nextCount } from './history-begin.js'
import { matchLog, type Found, type OwnPlace, type StreamPlace } from './log-matching.js'
import type { RedisLink } from './redis-link.js'
import { explain } from './redis-problems.js'
import { RedisStream, type StoredEntry } from './redis-stream.js'

export interface ReaderOptions {
  readonly dial: (signal: AbortSignal) => Promise<RedisLink>
  /** The server, for messages. */
  readonly where: string
  readonly key: string
  readonly retention: Retention
  readonly timeoutMs: number
  readonly epochs: Epochs
  readonly budget: ByteBudget
  readonly clock: Clock
  readonly log: Logger
  /** The newest entry that Redis has confirmed to this instance's writer. */
  readonly confirmed: () => OwnPlace | undefined
  /**
   * Reports why the stream cannot be read. `undefined`: the reader reads it, and it is the one that was read before.
   */
  readonly onState: (error: LastcallError | undefined) => void
}

/**
 * How long a read waits for entries. The stream is checked after that, because a read of a key that was removed would
 * wait for ever.
 */
const BLOCK_MS = 1000
/** How often a stream that is never silent is checked. */
const CHECK_INTERVAL_MS = 1000
/** The number of checks in a row. Other instances may begin epochs at the same time. */
const MAX_CHECKS = 10

export class RedisReader {
  readonly #options: ReaderOptions
  readonly #listeners = new Listeners()
  readonly #stopping = new AbortController()
  readonly #batchDelay = new BatchDelay()
  #onStarted: () => void = () => undefined
  /**
   * Resolves when the listener has received everything that was in the stream at the start, or when the reader was
   * stopped.
   */
  readonly started = new Promise<void>((resolve) => (this.#onStarted = resolve))
  /** The place up to which the reader has read. `undefined`: it has not begun. */
  #own: OwnPlace | undefined
  /** The end of the stream when the reader began. */
  #headAtBegin: StreamPlace | undefined
  /** The newest confirmed entry that was in the stream at a check. */
  #seenConfirmed: OwnPlace | undefined
  #averageBytes = 1024
  #hasSeenForeign = false

  constructor(listener: JournalListener, options: ReaderOptions) {
    this.#options = options
    this.#listeners.add(listener)
  }

  /** Reads until it is stopped. */
  async run(): Promise<void> {
    const { signal } = this.#stopping
    const { dial, key, where, onState } = this.#options
    const backoff = new ReconnectBackoff()
    while (!signal.aborted) {
      try {
        const link = await dial(signal)
        try {
          await this.#follow(new RedisStream(link, key), () => {
            backoff.reset()
            onState(undefined)
          })
        } finally {
          link.destroy()
        }
      } catch (error) {
        if (this.#isStopped()) break
        onState(explain(error, where))
        await backoff.wait(signal)
      }
    }
    this.#onStarted()
  }

  /** Stops the reader. It no longer calls the listener. */
  stop(): void {
    this.#listeners.clear()
    this.#stopping.abort()
  }

  tellAvailability(error: LastcallError | undefined): void {
    this.#listeners.onAvailability(error === undefined, error)
  }

  /**
   * It is a method and not a field, because the value changes during every wait and the compiler would assume that it
   * does not.
   */
  #isStopped(): boolean {
    return this.#stopping.signal.aborted
  }

  /** Reads until the link ends. */
  async #follow(stream: RedisStream, onReady: () => void): Promise<void> {
    const { clock, timeoutMs } = this.#options
    let own = await this.#check(stream)
    onReady()
    let checkedMs = clock.monotonic()
    while (!this.#isStopped()) {
      this.#tellIfStarted(own)
      const count = nextCount(this.#averageBytes)
      const entries = await stream.after(own, count, BLOCK_MS, timeoutMs)
      if (this.#isStopped()) return
      if (entries.length > 0) own = this.#take(entries, own)
      const nowMs = clock.monotonic()
      if (entries.length === 0 || nowMs - checkedMs > CHECK_INTERVAL_MS) {
        own = await this.#check(stream)
        checkedMs = nowMs
      }
      const delayMs = this.#batchDelay.delayAfter(entries.length, nowMs)
      // A full reply means that more entries are available already.
      if (delayMs > 0 && entries.length < count) await setTimeout(delayMs)
    }
  }

  #tellIfStarted(own: OwnPlace): void {
    const head = this.#headAtBegin
    if (!head || (own.epoch === head.epoch && own.offset < head.offset)) return
    this.#headAtBegin = undefined
    this.#onStarted()
  }

  // ——— the check whether it is the same log

  /** Resolves with the place after which the reader continues. */
  async #check(stream: RedisStream): Promise<OwnPlace> {
    for (let check = 0; check < MAX_CHECKS; check++) {
      const own = this.#own
      // It is read before the head: an entry that is confirmed later may stand after that head.
      const confirmed = this.#options.confirmed()
      const head = await stream.head()
      if (!own) {
        if (head) return this.#begin(stream, head)
        await this.#beginEpoch(stream, 'there is no stream')
        continue
      }
      const match = matchLog(own, await this.#find(stream, own, head))
      if (match.kind === 'same') {
        const lost = await this.#lossOf(confirmed, stream, own, head)
        if (lost === undefined) return own
        await this.#beginEpoch(stream, lost)
        continue
      }
      if (match.kind === 'trimmed') {
        // The stream may have been emptied after the server reported its head. It has then lost entries and not trimmed
        // them.
        if ((await stream.head())?.epoch !== own.epoch) continue
        this.#warn('entries were trimmed before they were read', { nextOffset: match.nextOffset })
        return this.#moveTo(own.epoch, match.nextOffset - 1)
      }
      if (match.kind === 'superseded') {
        const first = await stream.firstOf(match.epoch)
        this.#warn(match.why, { newEpoch: match.epoch })
        return this.#moveTo(match.epoch, (first?.offset ?? match.headOffset + 1) - 1)
      }
      await this.#beginEpoch(stream, match.why)
    }
    throw new Error('the stream changes faster than it can be checked')
  }

  /**
   * Why an entry is lost that Redis has confirmed and that this reader may not have read. The publisher waits for the
   * entry, and must not acknowledge an entry that it appends after the loss. `undefined`: the entry is in the stream,
   * or a newer epoch ends the wait.
   */
  async #lossOf(
    confirmed: OwnPlace | undefined,
    stream: RedisStream,
    own: OwnPlace,
    head: StreamPlace | undefined,
  ): Promise<string | undefined> {
    if (!confirmed || compareEpochs(confirmed.epoch, own.epoch) < 0) return undefined
    const isRead = confirmed.epoch === own.epoch && confirmed.offset <= own.offset
    if (isRead && confirmed === this.#seenConfirmed) return undefined
    const match = matchLog(confirmed, await this.#find(stream, confirmed, head))
    if (match.kind === 'replaced') return `a confirmed entry is lost: ${match.why}`
    this.#seenConfirmed = confirmed
    return undefined
  }

  /** Reads the entries that the comparison needs. */
  async #find(stream: RedisStream, own: OwnPlace, head: StreamPlace | undefined): Promise<Found> {
    if (!head || !own.bytes) return { head, atOwnPlace: undefined, firstOffset: undefined }
    const atOwnPlace = (await stream.at(own))?.bytes
    const firstOffset = atOwnPlace ? undefined : (await stream.firstOf(own.epoch))?.offset
    return { head, atOwnPlace, firstOffset }
  }

  async #begin(stream: RedisStream, head: StreamPlace): Promise<OwnPlace> {
    const { retention, clock, budget, epochs } = this.#options
    epochs.saw(head.epoch)
    const begin = await historyBegin(stream, head, retention, clock.now())
    countHistory(budget, begin)
    this.#headAtBegin = head
    this.#own = begin.own
    this.#listeners.onEpoch(begin.own.epoch, begin.own.offset + 1)
    return begin.own
  }

  async #beginEpoch(stream: RedisStream, why: string): Promise<void> {
    const epoch = this.#options.epochs.next()
    if (await stream.begin(epoch)) this.#warn(why, { newEpoch: epoch })
  }

  /** Reports a new epoch to the listener. The reader continues after this offset. */
  #moveTo(epoch: string, offset: number): OwnPlace {
    this.#options.epochs.saw(epoch)
    this.#own = { epoch, offset, bytes: undefined }
    this.#listeners.onEpoch(epoch, offset + 1)
    return this.#own
  }

  #warn(why: string, fields: { readonly newEpoch: string } | { readonly nextOffset: number }): void {
    const { log, key, where } = this.#options
    const { epoch, offset } = this.#own ?? {}
    log.warn('journal.epoch', { key, epoch, offset, ...fields }, `${where}: ${why}`)
  }

  // ——— entries

  /** Delivers the entries. Returns the place after them. */
  #take(entries: readonly StoredEntry[], own: OwnPlace): OwnPlace {
    const { budget } = this.#options
    let { epoch, offset } = own
    let last: StoredEntry | undefined
    let batch: Entry[] = []
    let bytes = 0
    for (const stored of entries) {
      if (stored.epoch !== epoch || stored.offset !== offset + 1) {
        this.#listeners.onBatch(batch)
        batch = []
        last = undefined
        ;({ epoch, offset } = this.#goOnAt(stored, own.epoch))
        // The entry with the offset 0 begins an epoch and has no content.
        if (stored.offset === 0) continue
      }
      offset = stored.offset
      last = stored
      const size = stored.bytes?.length ?? 0
      bytes += size
      budget.count(epoch, offset, size)
      batch.push(this.#entryOf(stored))
    }
    this.#averageBytes = bytes / entries.length
    this.#own = { epoch, offset, bytes: copyOf(last?.bytes) }
    this.#listeners.onBatch(batch)
    return this.#own
  }

  /** The stream continues in another epoch, or entries were trimmed in between. */
  #goOnAt(stored: StoredEntry, ownEpoch: string): StreamPlace {
    const isSameEpoch = stored.epoch === ownEpoch
    const nextOffset = Math.max(1, stored.offset)
    if (isSameEpoch) this.#warn('entries were trimmed before they were read', { nextOffset })
    else this.#warn('another epoch has begun', { newEpoch: stored.epoch })
    return this.#moveTo(stored.epoch, nextOffset - 1)
  }

  #entryOf({ offset, bytes }: StoredEntry): Entry {
    try {
      if (bytes) return decodeEntry(offset, bytes)
    } catch {
      // The text is not JSON and counts as an unknown entry.
    }
    if (!this.#hasSeenForeign) {
      const { log, where, key } = this.#options
      log.warn('journal.foreign', { key, offset }, `${where}: another program than lastcall writes to the key`)
    }
    this.#hasSeenForeign = true
    return { kind: 'unknown', offset, at: 0, node: '', sequence: 0, bytes: bytes?.length ?? 0 }
  }
}
