/**
 * Delivery: writes to each subscriber what concerns it, in the journal's order, with one write per subscriber and batch.
 * It owns the audiences and the subscribers that are behind.
 */
import type { Clock } from '../clock.js'
import { CLOSES } from '../connections/closes.js'
import type { Connection } from '../connections/connection.js'
import { invariant } from '../invariant.js'
import { channelOf, forEachConcernedPersonally } from '../journal/entry-kinds.js'
import type { Stats } from '../observability/stats.js'
import { Audiences, type Audience } from './audience.js'
import { frameFor, sharedFrame } from './catch-up-chunks.js'
import { CatchUps } from './catch-up.js'
import type { Feed } from './feed.js'
import { joined } from './frames.js'
import { subscriberOf, type Subscriber } from './subscriber.js'
import type { WindowEntry } from './window.js'

export interface DeliveryOptions {
  readonly feed: Feed
  /** The connection of this client on this instance. */
  readonly connectionOf: (clientId: string) => Connection | undefined
  readonly clock: Clock
  readonly stats: Stats
}

export class Delivery {
  readonly #options: DeliveryOptions
  readonly audiences = new Audiences<Subscriber>()
  readonly catchUps: CatchUps

  constructor(options: DeliveryOptions) {
    const { feed } = options
    this.#options = options
    this.catchUps = new CatchUps({ ...options, window: feed.window })
    feed.observe({
      onReset: (isReplaced) => {
        if (isReplaced) this.#closeAll()
      },
      onBatch: (batch) => this.#deliver(batch),
      onBatchEnd: () => this.catchUps.wakeAll(),
    })
  }

  /** A close frame is on its way to this connection: nothing may follow it. */
  stopDelivery(connection: Connection): void {
    const subscriber = subscriberOf(connection)
    if (subscriber) this.#stop(subscriber)
  }

  #stop(subscriber: Subscriber): void {
    subscriber.audience?.live.remove(subscriber)
  }

  /** The connection's socket takes more again. */
  drained(connection: Connection): void {
    const subscriber = subscriberOf(connection)
    if (subscriber?.catchUp) this.catchUps.wake(subscriber)
  }

  /** Writes a frame once everything that the window holds now and that concerns the connection has been written to it. */
  onceCaughtUp(connection: Connection, frame: (offset: number) => Buffer): void {
    const subscriber = subscriberOf(connection)
    if (subscriber) this.catchUps.onceCaughtUp(subscriber, frame)
    else connection.send(frame(this.#options.feed.window.head))
  }

  /** The journal was replaced and offsets may restart: closes every connection. */
  #closeAll(): void {
    this.catchUps.closeAll()
    for (const audience of this.audiences.all()) {
      for (const { connection } of audience.live) connection.close(CLOSES.tooSlow)
    }
  }

  #deliver(batch: readonly WindowEntry[]): void {
    const touched = new Set<Audience<Subscriber>>()
    const individuals: Subscriber[] = []
    const takeOut = (clientId: string): void => {
      const connection = this.#options.connectionOf(clientId)
      const subscriber = connection && subscriberOf(connection)
      if (subscriber?.audience?.live.remove(subscriber)) individuals.push(subscriber)
    }
    for (const { entry } of batch) {
      const channel = channelOf(entry)
      if (channel !== undefined) for (const audience of this.audiences.of(channel)) touched.add(audience)
      forEachConcernedPersonally(entry, takeOut)
    }
    for (const audience of touched) this.#writeToAll(audience, batch)
    for (const subscriber of individuals) this.#writeToOne(subscriber, batch)
  }

  #writeToAll(audience: Audience<Subscriber>, batch: readonly WindowEntry[]): void {
    const { live } = audience
    if (live.size === 0) return
    const frames = framesOf(batch, (item) => sharedFrame(item, audience))
    if (frames.length === 0) return
    const bytes = joined(frames)
    const reached = live.size
    this.#count(reached, frames.length, bytes)
    for (const subscriber of live.write(bytes)) this.#fullOrGone(subscriber, frames.length, bytes)
  }

  /** The sender (its ack) and the recipient of a direct message are written to individually. */
  #writeToOne(subscriber: Subscriber, batch: readonly WindowEntry[]): void {
    const { audience, transport } = subscriber
    invariant(audience, 'a subscriber that was live belongs to an audience')
    audience.goLive(subscriber)
    const frames = framesOf(batch, (item) => frameFor(item, audience.channels, subscriber))
    if (frames.length === 0) return
    const bytes = joined(frames)
    this.#count(1, frames.length, bytes)
    transport.write(bytes)
    if (transport.isFull || !transport.isOpen) this.#fullOrGone(subscriber, frames.length, bytes)
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
    // It vanished during the write. Its end follows in a moment.
    this.#stop(subscriber)
    this.#options.stats.failedBroadcasts++
    this.#count(-1, entries, bytes)
  }
}

function framesOf(batch: readonly WindowEntry[], frameOf: (item: WindowEntry) => Buffer | undefined): Buffer[] {
  const frames: Buffer[] = []
  for (const item of batch) {
    const frame = frameOf(item)
    if (frame) frames.push(frame)
  }
  return frames
}
