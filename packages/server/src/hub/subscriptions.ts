/**
 * Subscriptions: which channels each connection receives, and from which position on. A connection that resumes begins
 * as one that is behind.
 */
import { formatCursor, type Cursor } from '@lastcall/protocol'
import type { Connection } from '../connections/connection.js'
import { invariant } from '../invariant.js'
import type { Stats } from '../observability/stats.js'
import type { Replay } from './catch-up-chunks.js'
import type { Delivery } from './delivery.js'
import type { Feed } from './feed.js'
import { Subscriber, subscriberOf } from './subscriber.js'

/** The position at which a connection or a subscription begins. */
export interface Start {
  readonly cursor: string
  /** `null`: the client gave no cursor. */
  readonly recovered: boolean | null
}

export interface SubscriptionsOptions {
  readonly feed: Feed
  readonly delivery: Pick<Delivery, 'audiences' | 'catchUps'>
  readonly stats: Stats
}

const NONE: ReadonlySet<string> = new Set()

export class Subscriptions {
  readonly #options: SubscriptionsOptions
  #memberCount = 0

  constructor(options: SubscriptionsOptions) {
    this.#options = options
  }

  /** The number of connections that have joined and not left. */
  get memberCount(): number {
    return this.#memberCount
  }

  /** `undefined`: the connection has not joined, or has left. */
  channelsOf(connection: Connection): ReadonlySet<string> | undefined {
    return subscriberOf(connection)?.audience?.channels
  }

  /**
   * Subscribes a new connection to these channels, from the cursor on if the window retains everything after it, and
   * otherwise from now on. The catch-up begins after the caller has sent the welcome.
   */
  join(connection: Connection, channels: Iterable<string>, cursor: Cursor | 'malformed' | undefined): Start {
    const { feed, delivery, stats } = this.#options
    const subscriber = new Subscriber(connection)
    const audience = delivery.audiences.enter(channels, subscriber.locale, subscriber.encoding)
    subscriber.audience = audience
    connection.delivery = subscriber
    this.#memberCount++
    if (cursor === undefined) {
      audience.goLive(subscriber)
      return { cursor: feed.cursorAt(feed.window.head), recovered: null }
    }
    if (!feed.canRecover(cursor)) {
      stats.resumesNotRecovered++
      audience.goLive(subscriber)
      return { cursor: feed.cursorAt(feed.window.head), recovered: false }
    }
    stats.resumesRecovered++
    if (cursor.offset === feed.window.head) audience.goLive(subscriber)
    else delivery.catchUps.begin(subscriber, cursor.offset, feed.window.head)
    return { cursor: formatCursor(cursor), recovered: true }
  }

  /** About how many bytes of the journal the server would read from the window for a client that resumes here. */
  bytesToReplay(since: Cursor | 'malformed' | undefined): number {
    const { feed } = this.#options
    if (since === undefined || !feed.canRecover(since)) return 0
    const { head, size, bytes } = feed.window
    return size === 0 ? 0 : Math.ceil((bytes * (head - since.offset)) / size)
  }

  leave(connection: Connection): void {
    const { audiences, catchUps } = this.#options.delivery
    const subscriber = subscriberOf(connection)
    if (!subscriber?.audience) return
    audiences.leave(subscriber.audience, subscriber)
    this.#memberCount--
    subscriber.audience = undefined
    catchUps.forget(subscriber)
    subscriber.notifyIfFlushed()
  }

  /**
   * Adds channels. With `since`, the server first replays their retained entries after it. `acknowledge` creates the
   * frame that follows the replay.
   */
  subscribe(
    connection: Connection,
    channels: readonly string[],
    since: Cursor | 'malformed' | undefined,
    acknowledge: (start: Start) => Buffer,
  ): void {
    const { feed, delivery, stats } = this.#options
    const subscriber = joinedSubscriber(connection)
    const position = subscriber.catchUp?.position ?? feed.window.head
    this.#move(subscriber, [...(subscriber.audience?.channels ?? NONE), ...channels])
    const isReachable = since !== undefined && feed.canRecover(since) && since.offset <= position
    const recovered = since === undefined ? null : isReachable
    const lastFrame = acknowledge({ cursor: feed.cursorAt(position), recovered })
    if (isReachable && since.offset < position) {
      stats.resumesRecovered++
      const replay: Replay = { channels: new Set(channels), position: since.offset, upTo: position, lastFrame }
      delivery.catchUps.begin(subscriber, position).replays.push(replay)
      return
    }
    if (recovered === false) stats.resumesNotRecovered++
    connection.send(lastFrame)
  }

  unsubscribe(connection: Connection, channels: readonly string[]): Start {
    const { feed } = this.#options
    const subscriber = joinedSubscriber(connection)
    const gone = new Set(channels)
    for (const replay of subscriber.catchUp?.replays ?? []) {
      for (const channel of channels) replay.channels.delete(channel)
    }
    this.#move(
      subscriber,
      [...(subscriber.audience?.channels ?? NONE)].filter((channel) => !gone.has(channel)),
    )
    return { cursor: feed.cursorAt(subscriber.catchUp?.position ?? feed.window.head), recovered: null }
  }

  #move(subscriber: Subscriber, channels: Iterable<string>): void {
    const { audiences } = this.#options.delivery
    const { audience: before, locale, encoding } = subscriber
    // The socket ended while a hook decided on an earlier message. The connection has left, and no one would remove it
    // from a new audience.
    if (!before) return
    subscriber.audience = audiences.enter(channels, locale, encoding)
    audiences.leave(before, subscriber)
    if (!subscriber.catchUp) subscriber.audience.goLive(subscriber)
  }
}

function joinedSubscriber(connection: Connection): Subscriber {
  const subscriber = subscriberOf(connection)
  invariant(subscriber, 'a connection joins before it subscribes or publishes')
  return subscriber
}
