/**
 * Delivery: writes to each subscriber the entries that concern it, in the journal's order, with one write per
 * subscriber and batch. It owns the audiences and the subscribers that are behind.
 */
import type { Clock } from '../clock.js'
import type { Connection } from '../connections/connection.js'
import type { FanOutPass } from '../connections/encoding.js'
import { invariant } from '../invariant.js'
import type { Stats } from '../observability/stats.js'
import { Audiences, type Audience } from './audience.js'
import { Batch, type SharedFrames } from './batch.js'
import { CatchUps } from './catch-up.js'
import type { Feed } from './feed.js'
import { subscriberOf, type Subscriber } from './subscriber.js'
import type { WindowEntry } from './window.js'

export interface DeliveryOptions {
  readonly feed: Feed
  /** The client's connection to this instance. */
  readonly connectionOf: (clientId: string) => Connection | undefined
  readonly clock: Clock
  readonly stats: Stats
}

/**
 * How long the delivery of a batch may occupy the event loop, in milliseconds. A batch for 10,000 connections takes about 30. The
 * other work of a turn and the garbage collector need as much again.
 */
const STRETCH_MS = 24

export class Delivery {
  readonly #options: DeliveryOptions
  readonly audiences = new Audiences<Subscriber>()
  readonly catchUps: CatchUps

  constructor(options: DeliveryOptions) {
    const { feed } = options
    this.#options = options
    this.catchUps = new CatchUps({ ...options, window: feed.window })
    feed.observe({
      onBatch: (batch) => this.#deliver(batch),
      onBatchEnd: () => this.catchUps.wakeAll(),
    })
  }

  /**
   * Excludes the connection from delivery, because the server has written its close frame and nothing may follow that.
   */
  stopDelivery(connection: Connection): void {
    const subscriber = subscriberOf(connection)
    if (subscriber) this.#stop(subscriber)
  }

  #stop(subscriber: Subscriber): void {
    subscriber.audience?.live.remove(subscriber)
  }

  /** Continues the catch-up of a connection whose socket takes more again. */
  drained(connection: Connection): void {
    const subscriber = subscriberOf(connection)
    if (subscriber?.catchUp) this.catchUps.wake(subscriber)
  }

  /** Writes a frame after all entries that the window holds now and that concern the connection. */
  onceCaughtUp(connection: Connection, frame: (offset: number) => Buffer): void {
    const subscriber = subscriberOf(connection)
    if (subscriber) this.catchUps.onceCaughtUp(subscriber, frame)
    else connection.send(frame(this.#options.feed.window.head))
  }

  #deliver(items: readonly WindowEntry[]): void {
    const [first] = items
    if (!first) return
    const { clock, connectionOf } = this.#options
    const batch = new Batch(items)
    const touched = new Set<Audience<Subscriber>>()
    const individuals: Subscriber[] = []
    for (const channel of batch.channels) {
      for (const audience of this.audiences.of(channel)) touched.add(audience)
    }
    for (const clientId of batch.clients) {
      const connection = connectionOf(clientId)
      const subscriber = connection && subscriberOf(connection)
      if (subscriber?.audience?.live.remove(subscriber)) individuals.push(subscriber)
    }
    const endsAtMs = clock.monotonic() + STRETCH_MS
    const pass: FanOutPass<Subscriber> = { isOver: () => clock.monotonic() >= endsAtMs, left: [] }
    const shares = new Map<Audience<Subscriber>, SharedFrames>()
    for (const audience of touched) {
      if (pass.isOver()) for (const subscriber of audience.live) pass.left.push(subscriber)
      else shares.set(audience, this.#writeToAll(audience, batch, pass))
    }
    for (const subscriber of individuals) {
      if (pass.isOver()) pass.left.push(subscriber)
      else this.#writeToOne(subscriber, batch, shares)
    }
    // When the fan-out takes too long, the remaining subscribers catch up: catching up pauses for other work of the
    // event loop.
    for (const subscriber of pass.left) this.catchUps.begin(subscriber, first.entry.offset - 1)
  }

  #writeToAll(audience: Audience<Subscriber>, batch: Batch, pass: FanOutPass<Subscriber>): SharedFrames {
    const { live } = audience
    const frames = batch.sharedBy(audience)
    const { bytes, count } = frames
    if (live.size === 0 || count === 0) return frames
    const leftBefore = pass.left.length
    const full = live.write(bytes, pass)
    this.#count(live.size - (pass.left.length - leftBefore), count, bytes)
    for (const subscriber of full) this.#fullOrGone(subscriber, count, bytes)
    return frames
  }

  /** The sender (its ack) and the recipient of a direct message are written to individually. */
  #writeToOne(subscriber: Subscriber, batch: Batch, shares: Map<Audience<Subscriber>, SharedFrames>): void {
    const { audience, transport } = subscriber
    invariant(audience, 'a subscriber that was live belongs to an audience')
    audience.goLive(subscriber)
    let shared = shares.get(audience)
    if (!shared) shares.set(audience, (shared = batch.sharedBy(audience)))
    const { bytes, count } = batch.of(subscriber, audience.channels, shared)
    if (count === 0) return
    this.#count(1, count, bytes)
    transport.write(bytes)
    if (transport.isFull || !transport.isOpen) this.#fullOrGone(subscriber, count, bytes)
  }

  #count(subscribers: number, entries: number, { length }: Buffer): void {
    const { stats } = this.#options
    stats.deliveries += subscribers * entries
    stats.bytesSent += subscribers * length
  }

  #fullOrGone(subscriber: Subscriber, entries: number, bytes: Buffer): void {
    if (subscriber.transport.isFull) {
      this.catchUps.begin(subscriber, this.#options.feed.window.head)
      return
    }
    // The socket was destroyed during the write. The transport reports its end in a later turn.
    this.#stop(subscriber)
    this.#options.stats.failedBroadcasts++
    this.#count(-1, entries, bytes)
  }
}
