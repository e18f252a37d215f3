/**
 * Publishing by clients: recognizes retries, and stops reading from a client that has too much on its way into the journal.
 */
import type { Connection } from '../connections/connection.js'
import { LastcallError } from '../errors.js'
import { invariant } from '../invariant.js'
import type { EntryContent, Journal, Retention } from '../journal/journal.js'
import type { Clock } from '../clock.js'
import type { Stats } from '../observability/stats.js'
import type { Feed } from './feed.js'
import { ackFrame } from './frames.js'
import { Publisher } from './publisher.js'
import { subscriberOf, type Subscriber } from './subscriber.js'

export interface PublishingOptions {
  readonly feed: Feed
  readonly journal: Journal
  readonly retention: Retention
  /** This instance's id. */
  readonly node: string
  /** The connection of this client on this instance. */
  readonly connectionOf: (clientId: string) => Connection | undefined
  readonly clock: Clock
  readonly stats: Stats
}

export interface PublishingObserver {
  /** The message with this id of its own did not get into the journal. */
  onFailed(author: Connection, id: string | undefined, error: LastcallError): void
}

/** A client with this many messages on their way into the journal is not read from until half of them are back. */
const MAX_UNACKED = 64

/**
 * How long `close` waits for what is on its way into the journal: less than the last steps of a shutdown may take. An append
 * that is under way after that is the journal's to end.
 */
const MAX_CLOSE_MS = 3000

export class Publishing {
  readonly #options: PublishingOptions
  readonly #publisher: Publisher<Subscriber>
  readonly #observers = new Set<PublishingObserver>()

  constructor(options: PublishingOptions) {
    const { feed, node, retention, connectionOf } = options
    this.#options = options
    this.#publisher = new Publisher({
      ...options,
      maxPendingSize: Math.max(16 * 1024 * 1024, retention.maxBytes / 4),
      onFailed: ({ clientId, connection }, id, error) => {
        // The author may be back on another connection, where the message's retry was taken for one on its way.
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
        // Entries that the journal acknowledged and that were not read back are lost, or stand where nobody reads them.
        if (isReplaced) this.#publisher.failAll(unavailable('the journal was replaced'))
      },
      // After the delivery of the batch: an author that waits for its last ack has it in its socket by then.
      onEntry: (entry) => {
        if (entry.node === node) this.#publisher.readBack(entry)
      },
    })
  }

  /** The answer ends it. */
  observe(observer: PublishingObserver): () => void {
    this.#observers.add(observer)
    return () => this.#observers.delete(observer)
  }

  /** Milliseconds from taking to reading back, of the newest entry that came back. */
  get lagMs(): number {
    return this.#publisher.lagMs
  }

  /** Publishes a client's message. Its ack comes from the journal; so does the ack of a retry that is recognized. */
  publish(connection: Connection, content: Extract<EntryContent, { kind: 'message' | 'direct' }>): void {
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

  /** Publishes an entry of this instance itself. `onSettled` is called when it is back from the journal, or is lost. */
  publishOwn(content: EntryContent, onSettled: (isLost: boolean) => void): void {
    this.#publisher.publishOwn(content, onSettled)
  }

  #isRetry(author: Subscriber, clientId: string, id: string): boolean {
    const { window } = this.#options.feed
    const offset = window.offsetOf(clientId, id)
    if (offset === undefined) return this.#publisher.retry(clientId, id, author)
    const { catchUp, connection, encoding } = author
    // A client that is behind meets the ack in its own stream, unless it is past it.
    if (!catchUp || catchUp.position >= offset) connection.send(ackFrame(id, offset, encoding))
    return true
  }

  /** Resolves when everything published so far has come back from the journal or has failed. */
  settled(): Promise<void> {
    return this.#publisher.settled()
  }

  /** Waits for what is on its way, but not for ever: during an outage nothing comes back. */
  async close(): Promise<void> {
    const stopWaiting = this.#options.clock.after(MAX_CLOSE_MS, () =>
      this.#publisher.failAll(unavailable('the journal did not answer before the end')),
    )
    await this.#publisher.settled()
    stopWaiting()
  }
}

const unavailable = (problem: string): LastcallError =>
  new LastcallError('journal_unavailable', problem, { temporary: true })
