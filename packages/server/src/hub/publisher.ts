/**
 * The publisher gathers the messages of one turn of the event loop and appends them to the journal in one call. It
 * knows which entries it has not read back yet, and which connection published each of them.
 */
import type { Clock } from '../clock.js'
import { LastcallError } from '../errors.js'
import { countsTowardsHistory, dataOf, retryIdOf, retryScopeOf } from '../journal/entry-kinds.js'
import type { Entry, EntryContent, Journal, NewEntry } from '../journal/journal.js'
import type { Stats } from '../observability/stats.js'

/** A connection that publishes. The publisher reports to it a message that the journal did not take. */
export interface Author {
  /** The number of its messages that the server has accepted and not read back from the journal. */
  unacked: number
}

export interface PublisherOptions<From extends Author> {
  readonly journal: Journal
  /** The id of this instance. */
  readonly node: string
  readonly clock: Clock
  readonly stats: Stats
  /**
   * The greatest size of the entries that have been published and not read back, in characters. The publisher refuses a
   * message that would exceed it.
   */
  readonly maxPendingSize: number
  /** The journal did not take the author's message with this `id`. */
  readonly onFailed: (author: From, id: string | undefined, error: LastcallError) => void
  /** The journal holds the message that this author sent a second time while the first one was pending. */
  readonly onRetryBack: (author: From, scope: string, id: string) => void
  /** One message of this author is no longer pending. */
  readonly onSettled: (author: From) => void
}

/** The offset at which an entry has been read back, or the reason why it is lost. */
export type Settlement = { readonly offset: number } | { readonly error: LastcallError }

interface Pending<From> {
  readonly entry: NewEntry
  readonly author: From | undefined
  /** The publisher calls it when an entry without an author has been read back or is lost. */
  readonly onSettled: ((settlement: Settlement) => void) | undefined
  readonly size: number
  /** The connections that sent the message again while it was pending. */
  retriedBy: From[] | undefined
}

export class Publisher<From extends Author> {
  readonly #options: PublisherOptions<From>
  readonly #pending = new Map<number, Pending<From>>()
  /** The pending messages that have an id, by the scope of the id and the id. */
  readonly #underWay = new Map<string, Map<string, Pending<From>>>()
  #gathered: Pending<From>[] = []
  /** True from the scheduling of an append until no gathered message is left after it. */
  #isFlushing = false
  #pendingSize = 0
  #sequence = 0
  #waiting: (() => void)[] = []
  #lagMs = 0

  constructor(options: PublisherOptions<From>) {
    this.#options = options
  }

  /** The time from the publication of the entry that was read back last to its reading, in milliseconds. */
  get lagMs(): number {
    return this.#lagMs
  }

  /**
   * Whether a message with this idempotency key is pending. If so, the publisher answers this author, too, when the
   * message is settled.
   */
  retry(scope: string, id: string, author: From): boolean {
    const pending = this.#underWay.get(scope)?.get(id)
    if (!pending) return false
    pending.retriedBy ??= []
    pending.retriedBy.push(author)
    return true
  }

  publish(content: EntryContent, author: From): void {
    if (!this.#hasRoomFor(content)) {
      this.#options.onFailed(author, retryIdOf(content), noRoom())
      return
    }
    author.unacked++
    this.#add(content, { author, onSettled: undefined })
  }

  /** Publishes a message of the application. The publisher calls `onSettled` once, for a lack of room at once. */
  publishForApplication(content: EntryContent, onSettled: (settlement: Settlement) => void): void {
    if (this.#hasRoomFor(content)) this.#add(content, { author: undefined, onSettled })
    else onSettled({ error: noRoom() })
  }

  /** Publishes an entry of this instance itself. The publisher calls `onSettled` once. */
  publishOwn(content: EntryContent, onSettled: (settlement: Settlement) => void): void {
    this.#add(content, { author: undefined, onSettled })
  }

  #hasRoomFor(content: EntryContent): boolean {
    return this.#pendingSize + sizeOf(content) <= this.#options.maxPendingSize
  }

  #add(content: EntryContent, { author, onSettled }: Pick<Pending<From>, 'author' | 'onSettled'>): void {
    const { clock, node } = this.#options
    const size = sizeOf(content)
    const entry: NewEntry = { ...content, at: clock.now(), node, sequence: ++this.#sequence }
    const pending: Pending<From> = { entry, author, onSettled, size, retriedBy: undefined }
    this.#begin(pending)
    this.#pendingSize += size
    this.#pending.set(entry.sequence, pending)
    this.#gathered.push(pending)
    if (this.#isFlushing) return
    this.#isFlushing = true
    // The callback runs after the poll phase, so one append contains the messages that arrived on all sockets in this
    // turn.
    this.#options.clock.soon(this.#flushGathered)
  }

  #begin(pending: Pending<From>): void {
    const scope = retryScopeOf(pending.entry)
    const id = retryIdOf(pending.entry)
    if (scope === undefined || id === undefined) return
    let inScope = this.#underWay.get(scope)
    if (!inScope) this.#underWay.set(scope, (inScope = new Map<string, Pending<From>>()))
    inScope.set(id, pending)
  }

  #end({ entry }: Pending<From>): void {
    const scope = retryScopeOf(entry)
    const id = retryIdOf(entry)
    if (scope === undefined || id === undefined) return
    const inScope = this.#underWay.get(scope)
    inScope?.delete(id)
    if (inScope?.size === 0) this.#underWay.delete(scope)
  }

  readonly #flushGathered = (): void => void this.#flush()

  /**
   * Appends the gathered messages. Only one append is under way at a time; messages that arrive meanwhile go into the
   * next one.
   */
  async #flush(): Promise<void> {
    const batch = this.#gathered.splice(0, MAX_BATCH)
    if (batch.length > 0) await this.#append(batch)
    // The next append waits for two turns. Delivering this batch took time, and messages arrived meanwhile: the first
    // turn reads them, so that the second appends them together. With one turn, a fan-out to everyone for a single
    // message would alternate with a fan-out for all the others.
    const { clock } = this.#options
    clock.soon(() =>
      clock.soon(() => {
        if (this.#gathered.length > 0) void this.#flush()
        else this.#isFlushing = false
      }),
    )
  }

  async #append(batch: readonly Pending<From>[]): Promise<void> {
    const { journal, stats } = this.#options
    try {
      await journal.append(batch.map(({ entry }) => entry))
      stats.appends += batch.length
    } catch (error) {
      // All of them have failed already. The messages gathered since then belong to the journal that replaced this one.
      if (!batch.some(({ entry }) => this.#pending.has(entry.sequence))) return
      const reason =
        error instanceof LastcallError
          ? error
          : new LastcallError('journal_unavailable', 'the journal failed', { temporary: true, cause: error })
      if (reason.code !== 'entry_too_large') {
        this.#fail([...batch, ...this.#takeGatheredMessages()], reason)
      } else if (batch.length === 1) this.#fail(batch, reason)
      // The journal appended nothing. Each entry is appended alone, so that only the author of the too large one gets
      // an error.
      else for (const one of batch) if (this.#pending.has(one.entry.sequence)) await this.#append([one])
    }
  }

  /**
   * Takes the gathered messages after a failure. A client may have sent them after the message that failed, and relies on
   * their order, so they fail, too, and the client sends all of them again in order. The same goes for the application.
   */
  #takeGatheredMessages(): Pending<From>[] {
    const messages = this.#gathered.filter(({ entry }) => countsTowardsHistory(entry))
    this.#gathered = this.#gathered.filter(({ entry }) => !countsTowardsHistory(entry))
    return messages
  }

  /**
   * Fails every pending entry: the entry is lost, or the server does not know when it will read it. A later answer to
   * an append that is under way is ignored, because a sequence number is never used twice.
   */
  failAll(reason: LastcallError): void {
    this.#gathered = []
    this.#fail([...this.#pending.values()], reason)
  }

  #fail(failed: readonly Pending<From>[], reason: LastcallError): void {
    const { stats, onFailed } = this.#options
    for (const one of failed) {
      if (!this.#pending.has(one.entry.sequence)) continue
      stats.appendFailures++
      // The author gets its error before the entry is settled: a connection that waits only for its last answer closes
      // then.
      if (one.author) {
        for (const author of [one.author, ...(one.retriedBy ?? [])]) onFailed(author, retryIdOf(one.entry), reason)
      }
      this.#settle(one, { error: reason })
    }
    this.#wake()
  }

  /** An entry of this instance has been read back from the journal. */
  readBack(entry: Entry): void {
    const pending = this.#pending.get(entry.sequence)
    if (!pending) return
    this.#lagMs = Math.max(0, this.#options.clock.now() - entry.at)
    const { retriedBy } = pending
    const scope = retryScopeOf(entry)
    const id = retryIdOf(entry)
    // The entry is in the window now. A retry that arrives from here on finds it there and must not wait for this one.
    this.#end(pending)
    if (retriedBy && scope !== undefined && id !== undefined) {
      for (const author of retriedBy) this.#options.onRetryBack(author, scope, id)
    }
    this.#settle(pending, { offset: entry.offset })
    this.#wake()
  }

  #settle(pending: Pending<From>, settlement: Settlement): void {
    if (!this.#pending.delete(pending.entry.sequence)) return
    this.#pendingSize -= pending.size
    this.#end(pending)
    if (pending.author) {
      pending.author.unacked--
      this.#options.onSettled(pending.author)
    }
    pending.onSettled?.(settlement)
  }

  #wake(): void {
    if (this.#pending.size > 0) return
    for (const resolve of this.#waiting.splice(0)) resolve()
  }

  /** Resolves when every entry published so far has been read back or has failed. */
  settled(): Promise<void> {
    if (this.#pending.size === 0) return Promise.resolve()
    return new Promise((resolve) => this.#waiting.push(resolve))
  }
}

/**
 * The number of entries that are appended, read back and delivered in one turn of the event loop. Each takes about 20
 * µs.
 */
const MAX_BATCH = 512

/** The size that is assumed for an entry without data, in characters. */
const SIZE_WITHOUT_DATA = 64

const noRoom = (): LastcallError =>
  new LastcallError('journal_unavailable', 'too many messages wait for the journal', { temporary: true })

const sizeOf = (content: EntryContent): number => dataOf(content)?.length ?? SIZE_WITHOUT_DATA
