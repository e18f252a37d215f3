/**
 * Publishing by clients and by the application. It recognizes retries, and applies backpressure to a client with too many
 * messages pending.
 */
import type { Connection } from '../connections/connection.js'
import { LastcallError } from '../errors.js'
import { invariant } from '../invariant.js'
import { APPLICATION } from '../journal/entry-kinds.js'
import type { EntryContent, Journal, Retention } from '../journal/journal.js'
import type { Clock } from '../clock.js'
import type { Stats } from '../observability/stats.js'
import type { Feed } from './feed.js'
import { ackFrame } from './frames.js'
import { Publisher, type Settlement } from './publisher.js'
import { subscriberOf, type Subscriber } from './subscriber.js'

export interface PublishingOptions {
  readonly feed: Feed
  readonly journal: Journal
  readonly retention: Retention
  /** The id of this instance. */
  readonly node: string
  /** The client's connection to this instance. */
  readonly connectionOf: (clientId: string) => Connection | undefined
  readonly clock: Clock
  readonly stats: Stats
}

/** What a client or the application publishes. */
export type MessageContent = Extract<EntryContent, { kind: 'message' | 'direct' }>

export interface PublishingObserver {
  /** The journal did not take the message with this `id`. */
  onFailed(author: Connection, id: string | undefined, error: LastcallError): void
}

/**
 * The server stops reading from a client with this many unacknowledged messages until half of them are acknowledged.
 */
const MAX_UNACKED = 64

/**
 * How long `close` waits for pending messages, in milliseconds. It is less than the last steps of a shutdown may take.
 * The journal itself ends an append that is under way after that.
 */
const MAX_CLOSE_MS = 3000

export class Publishing {
  readonly #options: PublishingOptions
  readonly #publisher: Publisher<Subscriber>
  readonly #observers = new Set<PublishingObserver>()
  /** The messages of the application that have an id and are pending, by id. */
  readonly #ofApplication = new Map<string, Promise<number>>()
  #isClosed = false

  constructor(options: PublishingOptions) {
    const { feed, node, retention, connectionOf } = options
    this.#options = options
    this.#publisher = new Publisher({
      ...options,
      maxPendingSize: Math.max(16 * 1024 * 1024, retention.maxBytes / 4),
      onFailed: ({ clientId, connection }, id, error) => {
        // The client may have reconnected and sent the message again there while it was pending. The new connection
        // then waits for the answer.
        const author = connectionOf(clientId) ?? connection
        for (const observer of this.#observers) observer.onFailed(author, id, error)
      },
      onRetryBack: (author, clientId, id) => void this.#isRetry(author, clientId, id),
      onSettled: (author) => {
        if (author.unacked === MAX_UNACKED / 2) author.transport.resume('unacked')
        author.notifyIfFlushed()
      },
    })
    feed.observe({
      onReset: (isReplaced) => {
        // The server cannot read back entries that only the replaced journal has acknowledged.
        if (isReplaced) this.#publisher.failAll(unavailable('the journal was replaced'))
      },
      // `onEntry` runs after the delivery of the batch. A connection that closes after its last ack has the ack in its
      // socket by then.
      onEntry: (entry) => {
        if (entry.node === node) this.#publisher.readBack(entry)
      },
    })
  }

  /** Adds an observer. The returned function removes it. */
  observe(observer: PublishingObserver): () => void {
    this.#observers.add(observer)
    return () => this.#observers.delete(observer)
  }

  /** The time from the publication of the entry that was read back last to its reading, in milliseconds. */
  get lagMs(): number {
    return this.#publisher.lagMs
  }

  /**
   * Publishes a client's message. The server acknowledges it when the feed reads it back. A retry gets the ack of the
   * first message.
   */
  publish(connection: Connection, content: MessageContent): void {
    const { stats } = this.#options
    const author = subscriberOf(connection)
    invariant(author, 'a connection joins before it publishes')
    if (content.id !== undefined && this.#isRetry(author, content.from, content.id)) {
      stats.duplicates++
      return
    }
    stats.messagesTaken++
    this.#publisher.publish(content, author)
    if (author.unacked === MAX_UNACKED) author.transport.pause('unacked')
  }

  /**
   * Publishes a message of the application. Resolves with its offset when the feed has read it back; for a retry, with the
   * offset of the first message.
   *
   * @throws {LastcallError} `journal_unavailable` (temporary): the outcome is unknown. `entry_too_large`. `wrong_state`:
   *   the server has closed its journal.
   */
  publishForApplication(content: MessageContent): Promise<number> {
    const { id } = content
    const { stats, feed } = this.#options
    if (this.#isClosed) return Promise.reject(new LastcallError('wrong_state', 'the server is closed'))
    const known = id === undefined ? undefined : (this.#ofApplication.get(id) ?? feed.window.offsetOf(APPLICATION, id))
    if (known !== undefined) {
      stats.duplicates++
      return Promise.resolve(known)
    }
    stats.messagesTaken++
    const settled = this.#appendForApplication(content)
    if (id === undefined) return settled
    this.#ofApplication.set(id, settled)
    const forget = (): void => void this.#ofApplication.delete(id)
    settled.then(forget, forget)
    return settled
  }

  #appendForApplication(content: MessageContent): Promise<number> {
    const { id } = content
    const { window } = this.#options.feed
    return new Promise((resolve, reject) => {
      this.#publisher.publishForApplication({ ...content, byApplication: true }, (settlement) => {
        if ('error' in settlement) reject(settlement.error)
        // Another instance may have published the same message before.
        else resolve((id === undefined ? undefined : window.offsetOf(APPLICATION, id)) ?? settlement.offset)
      })
    })
  }

  /** Publishes an entry of this instance itself. The publisher calls `onSettled` once. */
  publishOwn(content: EntryContent, onSettled: (settlement: Settlement) => void): void {
    this.#publisher.publishOwn(content, onSettled)
  }

  #isRetry(author: Subscriber, clientId: string, id: string): boolean {
    const { window } = this.#options.feed
    const offset = window.offsetOf(clientId, id)
    if (offset === undefined) return this.#publisher.retry(clientId, id, author)
    const { catchUp, connection, encoding } = author
    // A client that is behind gets the ack in its catch-up, unless the catch-up has passed that offset.
    if (!catchUp || catchUp.position >= offset) connection.send(ackFrame(id, offset, encoding))
    return true
  }

  /** Resolves when every entry published so far has been read back or has failed. */
  settled(): Promise<void> {
    return this.#publisher.settled()
  }

  /** Waits for pending messages, for `MAX_CLOSE_MS` at most: during an outage of the journal nothing is read back. */
  async close(): Promise<void> {
    const stopWaiting = this.#options.clock.after(MAX_CLOSE_MS, () =>
      this.#publisher.failAll(unavailable('the journal did not acknowledge the message before the server stopped')),
    )
    await this.#publisher.settled()
    this.#isClosed = true
    stopWaiting()
  }
}

const unavailable = (problem: string): LastcallError =>
  new LastcallError('journal_unavailable', problem, { temporary: true })
