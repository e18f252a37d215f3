/**
 * The way into the journal: gathers what one turn of the event loop brings, appends it in one go, and knows what has not
 * come back yet and whom it belongs to.
 */
import type { Clock } from '../clock.js'
import { LastcallError } from '../errors.js'
import { dataOf, retryIdOf, senderOf } from '../journal/entry-kinds.js'
import type { Entry, EntryContent, Journal, NewEntry } from '../journal/journal.js'
import type { Stats } from '../observability/stats.js'

/** Who published: told when the journal did not take it. */
export interface Author {
  /** Taken and not yet back from the journal. */
  unacked: number
}

export interface PublisherOptions<From extends Author> {
  readonly journal: Journal
  /** This instance's id. */
  readonly node: string
  readonly clock: Clock
  readonly stats: Stats
  /** What has been handed to the journal and has not come back, at most, in characters; more is refused. */
  readonly maxPendingSize: number
  /** With the message's own id. */
  readonly onFailed: (author: From, id: string | undefined, error: LastcallError) => void
  /** The message that this author has sent again, while it was under way, is in the journal. */
  readonly onRetryBack: (author: From, clientId: string, id: string) => void
  /** One more of this author's messages is no longer pending. */
  readonly onSettled: (author: From) => void
}

interface Pending<From> {
  readonly entry: NewEntry
  readonly author: From | undefined
  /** Called when an entry without an author is back, or is lost. */
  readonly onSettled: ((isLost: boolean) => void) | undefined
  readonly size: number
  /** Who has sent it again meanwhile. */
  retriedBy: From[] | undefined
}

export class Publisher<From extends Author> {
  readonly #options: PublisherOptions<From>
  readonly #pending = new Map<number, Pending<From>>()
  /** Messages with an id, by sender and id. */
  readonly #underWay = new Map<string, Map<string, Pending<From>>>()
  #gathered: Pending<From>[] = []
  /** From the scheduling of an append until it is over and what came meanwhile has been looked for. */
  #isFlushing = false
  #pendingSize = 0
  #sequence = 0
  #waiting: (() => void)[] = []
  #lagMs = 0

  constructor(options: PublisherOptions<From>) {
    this.#options = options
  }

  /** Milliseconds from taking to reading back, of the newest entry that came back. */
  get lagMs(): number {
    return this.#lagMs
  }

  /** Whether a message with this sender and id is on its way into the journal: then this author is told of it, too. */
  retry(clientId: string, id: string, author: From): boolean {
    const pending = this.#underWay.get(clientId)?.get(id)
    if (!pending) return false
    pending.retriedBy ??= []
    pending.retriedBy.push(author)
    return true
  }

  publish(content: EntryContent, author: From): void {
    const { maxPendingSize, onFailed } = this.#options
    const size = sizeOf(content)
    if (this.#pendingSize + size > maxPendingSize) {
      onFailed(
        author,
        retryIdOf(content),
        new LastcallError('journal_unavailable', 'too much is waiting', { temporary: true }),
      )
      return
    }
    author.unacked++
    this.#add(content, { author, onSettled: undefined })
  }

  /** Publishes an entry of this instance itself. `onSettled` is called when it is back from the journal, or is lost. */
  publishOwn(content: EntryContent, onSettled: (isLost: boolean) => void): void {
    this.#add(content, { author: undefined, onSettled })
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
    // After the poll phase: everything that this turn's sockets brought goes into one append.
    setImmediate(() => void this.#flush())
  }

  #begin(pending: Pending<From>): void {
    const sender = senderOf(pending.entry)
    const id = retryIdOf(pending.entry)
    if (sender === undefined || id === undefined) return
    let ofSender = this.#underWay.get(sender)
    if (!ofSender) this.#underWay.set(sender, (ofSender = new Map<string, Pending<From>>()))
    ofSender.set(id, pending)
  }

  #end({ entry }: Pending<From>): void {
    const sender = senderOf(entry)
    const id = retryIdOf(entry)
    if (sender === undefined || id === undefined) return
    const ofSender = this.#underWay.get(sender)
    ofSender?.delete(id)
    if (ofSender?.size === 0) this.#underWay.delete(sender)
  }

  /** One append at a time: what comes meanwhile is gathered, and leaves together. */
  async #flush(): Promise<void> {
    const batch = this.#gathered.splice(0, MAX_BATCH)
    if (batch.length > 0) await this.#append(batch)
    // Two turns, for the delivery of this batch took its time: what the sockets brought meanwhile is read in the first,
    // and goes along in the second. Else a fan-out to everybody for one message alternates with one for all the others.
    setImmediate(() =>
      setImmediate(() => {
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
      // All of them failed already: what was gathered since belongs to the journal that replaced this one.
      if (!batch.some(({ entry }) => this.#pending.has(entry.sequence))) return
      const reason =
        error instanceof LastcallError
          ? error
          : new LastcallError('journal_unavailable', 'the journal failed', { temporary: true, cause: error })
      if (reason.code !== 'entry_too_large') {
        this.#fail([...batch, ...this.#takeGatheredMessages()], reason)
      } else if (batch.length === 1) this.#fail(batch, reason)
      // The journal appended nothing. Only the author of the entry that is too large is told.
      else for (const one of batch) if (this.#pending.has(one.entry.sequence)) await this.#append([one])
    }
  }

  /**
   * A client may have sent them after one that failed, and counts on their order. They are not appended before the client
   * has sent that one again.
   */
  #takeGatheredMessages(): Pending<From>[] {
    const messages = this.#gathered.filter(({ author }) => author)
    this.#gathered = this.#gathered.filter(({ author }) => !author)
    return messages
  }

  /**
   * Fails everything that has not come back from the journal: the entries are lost, or it is not known when they appear.
   * Should an append that is under way be answered later, nobody waits for it any more: sequences are never used twice.
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
      // Told before it is settled: an author that waits for its last answer is closed then.
      if (one.author) {
        for (const author of [one.author, ...(one.retriedBy ?? [])]) onFailed(author, retryIdOf(one.entry), reason)
      }
      this.#settle(one, true)
    }
    this.#wake()
  }

  /** The journal has said an entry of this instance. */
  readBack(entry: Entry): void {
    const pending = this.#pending.get(entry.sequence)
    if (!pending) return
    this.#lagMs = Math.max(0, this.#options.clock.now() - entry.at)
    const { retriedBy } = pending
    const sender = senderOf(entry)
    const id = retryIdOf(entry)
    // It has arrived: whoever asks for it from here on must not be put off until it comes back.
    this.#end(pending)
    if (retriedBy && sender !== undefined && id !== undefined) {
      for (const author of retriedBy) this.#options.onRetryBack(author, sender, id)
    }
    this.#settle(pending, false)
    this.#wake()
  }

  #settle(pending: Pending<From>, isLost: boolean): void {
    if (!this.#pending.delete(pending.entry.sequence)) return
    this.#pendingSize -= pending.size
    this.#end(pending)
    if (pending.author) {
      pending.author.unacked--
      this.#options.onSettled(pending.author)
    }
    pending.onSettled?.(isLost)
  }

  #wake(): void {
    if (this.#pending.size > 0) return
    for (const resolve of this.#waiting.splice(0)) resolve()
  }

  /** Resolves when everything published so far has come back or failed. */
  settled(): Promise<void> {
    if (this.#pending.size === 0) return Promise.resolve()
    return new Promise((resolve) => this.#waiting.push(resolve))
  }
}

/** So many entries are appended, read back and delivered in one turn of the event loop; each takes some 20 µs. */
const MAX_BATCH = 512

/** An entry without data is about this long, in characters. */
const SIZE_WITHOUT_DATA = 64

const sizeOf = (content: EntryContent): number => dataOf(content)?.length ?? SIZE_WITHOUT_DATA
