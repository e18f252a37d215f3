/**
 * The way into the journal: gathers what one turn of the event loop brings, appends it in one go, and knows what has not
 * come back yet and whom it belongs to.
 */
import type { Clock } from '../clock.js'
import { LastcallError } from '../errors.js'
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
  readonly size: number
  /** The retry key, while it is under way. */
  readonly key: string | undefined
  /** Who has sent it again meanwhile. */
  retriedBy: From[] | undefined
}

export class Publisher<From extends Author> {
  readonly #options: PublisherOptions<From>
  readonly #pending = new Map<number, Pending<From>>()
  readonly #underWay = new Map<string, Pending<From>>()
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
    const pending = this.#underWay.get(`${clientId}\n${id}`)
    if (!pending) return false
    pending.retriedBy ??= []
    pending.retriedBy.push(author)
    return true
  }

  publish(content: EntryContent, author?: From): void {
    const { clock, node, maxPendingSize, onFailed } = this.#options
    const said = isSaid(content) ? content : undefined
    const size = said ? said.data.length : 64
    if (author && this.#pendingSize + size > maxPendingSize) {
      onFailed(
        author,
        idOf(content),
        new LastcallError('journal_unavailable', 'too much is waiting', { temporary: true }),
      )
      return
    }
    const key = said?.id === undefined ? undefined : `${said.from}\n${said.id}`
    const entry: NewEntry = { ...content, at: clock.now(), node, sequence: ++this.#sequence }
    const pending: Pending<From> = { entry, author, size, key, retriedBy: undefined }
    if (author) author.unacked++
    if (key !== undefined) this.#underWay.set(key, pending)
    this.#pendingSize += size
    this.#pending.set(entry.sequence, pending)
    this.#gathered.push(pending)
    if (this.#isFlushing) return
    this.#isFlushing = true
    // After the poll phase: everything that this turn's sockets brought goes into one append.
    setImmediate(() => void this.#flush())
  }

  /** One append at a time: what comes meanwhile is gathered, and leaves together. */
  async #flush(): Promise<void> {
    const batch = this.#gathered
    this.#gathered = []
    try {
      await this.#options.journal.append(batch.map(({ entry }) => entry))
      this.#options.stats.appends += batch.length
    } catch (error) {
      await this.#failed(batch, error)
    }
    // Two turns, for the delivery of this batch took its time: what the sockets brought meanwhile is read in the first,
    // and goes along in the second. Else a fan-out to everybody for one message alternates with one for all the others.
    setImmediate(() =>
      setImmediate(() => {
        if (this.#gathered.length > 0) void this.#flush()
        else this.#isFlushing = false
      }),
    )
  }

  async #failed(batch: readonly Pending<From>[], error: unknown): Promise<void> {
    const reason =
      error instanceof LastcallError
        ? error
        : new LastcallError('journal_unavailable', 'the journal failed', { temporary: true, cause: error })
    if (reason.code === 'entry_too_large' && batch.length > 1) {
      // One of them is too large, and an append is all or none: the others shall not pay for it.
      for (const one of batch) {
        try {
          await this.#options.journal.append([one.entry])
          this.#options.stats.appends++
        } catch (alone) {
          await this.#failed([one], alone)
        }
      }
      return
    }
    this.#options.stats.appendFailures += batch.length
    for (const one of batch) {
      // Told before it is settled: an author that waits for its last answer is closed then.
      if (one.author && this.#pending.has(one.entry.sequence)) {
        for (const author of [one.author, ...(one.retriedBy ?? [])]) {
          this.#options.onFailed(author, idOf(one.entry), reason)
        }
      }
      this.#settle(one)
    }
    this.#wake()
  }

  /** The journal has said an entry of this instance. */
  readBack(entry: Entry): void {
    const pending = this.#pending.get(entry.sequence)
    if (!pending) return
    this.#lagMs = Math.max(0, this.#options.clock.now() - entry.at)
    const { entry: own, retriedBy, key } = pending
    // It has arrived: whoever asks for it from here on must not be put off until it comes back.
    if (key !== undefined) this.#underWay.delete(key)
    if (retriedBy && isSaid(own)) {
      for (const author of retriedBy) this.#options.onRetryBack(author, own.from, own.id as string)
    }
    this.#settle(pending)
    this.#wake()
  }

  #settle(pending: Pending<From>): void {
    if (!this.#pending.delete(pending.entry.sequence)) return
    this.#pendingSize -= pending.size
    if (pending.key !== undefined) this.#underWay.delete(pending.key)
    if (pending.author) {
      pending.author.unacked--
      this.#options.onSettled(pending.author)
    }
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

/** What a client said. */
const isSaid = (content: EntryContent): content is Extract<EntryContent, { kind: 'message' | 'direct' }> =>
  content.kind === 'message' || content.kind === 'direct'

const idOf = (content: EntryContent): string | undefined => (isSaid(content) ? content.id : undefined)
