/**
 * Catching up: which connections are behind, at which offset, and how the server writes to them from the window when
 * their sockets drain. A client that resumes, a client that was too slow and a client that asks for the replay of a
 * channel are handled alike.
 */
import type { Clock } from '../clock.js'
import { CLOSES } from '../connections/closes.js'
import type { Stats } from '../observability/stats.js'
import { SlicedTasks } from '../sliced-tasks.js'
import { ChunkCutter, type CatchUp, type CatchUpChunk } from './catch-up-chunks.js'
import type { Subscriber } from './subscriber.js'
import type { WindowView } from './window.js'

export interface CatchUpsOptions {
  readonly window: WindowView
  readonly clock: Clock
  readonly stats: Stats
}

/** The bytes that all connections that are catching up may have queued together. */
const BUDGET_BYTES = 32 * 1024 * 1024
const MAX_CHUNK_BYTES = 256 * 1024
const MIN_CHUNK_BYTES = 16 * 1024

/** How long catching up may occupy the event loop without a pause. */
const STRETCH_MS = 8

export class CatchUps {
  readonly #options: CatchUpsOptions
  readonly #cutter: ChunkCutter
  readonly #behind = new Set<Subscriber>()
  /** The connections of `#behind` whose sockets take more, in the order in which they get their next chunk. */
  readonly #runnable = new Set<Subscriber>()
  readonly #tasks: SlicedTasks
  #isScheduled = false

  constructor(options: CatchUpsOptions) {
    this.#options = options
    this.#tasks = new SlicedTasks({ clock: options.clock, stretchMs: STRETCH_MS })
    this.#cutter = new ChunkCutter(options.window)
  }

  /** The number of connections that are behind. */
  get size(): number {
    return this.#behind.size
  }

  /**
   * Marks the connection as behind. From here on the server writes to it from the window, after this position, when its
   * socket takes more.
   *
   * @param snapshotAt The offset of the snapshot that a resuming client receives.
   */
  begin(subscriber: Subscriber, position: number, snapshotAt = 0): CatchUp {
    subscriber.audience?.live.remove(subscriber)
    subscriber.catchUp ??= { position, snapshotAt, replays: [] }
    this.#behind.add(subscriber)
    this.wake(subscriber)
    return subscriber.catchUp
  }

  /** Stops the catch-up: the connection has left, or has caught up. */
  forget(subscriber: Subscriber): void {
    subscriber.catchUp = undefined
    this.#behind.delete(subscriber)
    this.#runnable.delete(subscriber)
    if (this.#behind.size === 0) this.#cutter.clear()
  }

  /**
   * Schedules the connection's next chunk. The caller calls it when the window has more entries or when the socket has
   * drained.
   */
  wake(subscriber: Subscriber): void {
    if (subscriber.transport.isFull) {
      this.#closeIfOutOfReach(subscriber)
      return
    }
    this.#runnable.add(subscriber)
    this.#schedule()
  }

  wakeAll(): void {
    for (const subscriber of this.#behind) this.wake(subscriber)
  }

  /**
   * Writes a frame after all entries that the window holds now and that concern the connection. A second call before
   * that replaces the first frame and its place.
   */
  onceCaughtUp({ catchUp, transport }: Subscriber, frame: (offset: number) => Buffer): void {
    const { head } = this.#options.window
    if (catchUp && catchUp.position < head) catchUp.onceCaughtUp = { upTo: head, frame: frame(head) }
    else transport.write(frame(head))
  }

  /** Closes each connection whose next entry the window has evicted. */
  sweep(): void {
    for (const subscriber of this.#behind) this.#closeIfOutOfReach(subscriber)
  }

  /** Gives each runnable connection one chunk in turn. The first turn begins in the next turn of the event loop. */
  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    const inTurn = this.#runnable.values()
    this.#tasks.defer(() => this.#next(inTurn))
  }

  #next(inTurn: Iterator<Subscriber, undefined>): boolean {
    const { value: subscriber } = inTurn.next()
    if (!subscriber) {
      this.#isScheduled = false
      return false
    }
    this.#runnable.delete(subscriber)
    // A connection that is still runnable goes to the end, so that every other one gets a chunk before it.
    if (this.#step(subscriber)) this.#runnable.add(subscriber)
    return true
  }

  /** Writes the connection's next chunk. Returns whether it has more entries and its socket has room for them. */
  #step(subscriber: Subscriber): boolean {
    const { window } = this.#options
    const { audience, catchUp, transport } = subscriber
    if (!audience || !catchUp || transport.isFull) return false
    if (isOutOfReach(catchUp, window)) return this.#tooSlow(subscriber)
    const maxBytes = this.#chunkBytes()
    const replay = catchUp.replays[0]
    if (replay) {
      const chunk = this.#cutter.nextOfReplay(replay, subscriber, maxBytes)
      this.#write(subscriber, chunk)
      replay.position = chunk.upTo
      if (replay.position < replay.upTo) return !transport.isFull
      transport.write(replay.lastFrame)
      catchUp.replays.shift()
      return !transport.isFull
    }
    if (catchUp.position < window.head) {
      const chunk = this.#cutter.next(audience, subscriber, catchUp, maxBytes)
      this.#write(subscriber, chunk)
      catchUp.position = chunk.upTo
      if (catchUp.onceCaughtUp && catchUp.onceCaughtUp.upTo <= chunk.upTo) {
        transport.write(catchUp.onceCaughtUp.frame)
        catchUp.onceCaughtUp = undefined
      }
      return !transport.isFull
    }
    this.forget(subscriber)
    audience.goLive(subscriber)
    subscriber.notifyIfFlushed()
    return false
  }

  #write({ transport }: Subscriber, { bytes, count }: CatchUpChunk): void {
    if (count === 0) return
    transport.write(bytes)
    this.#options.stats.deliveries += count
    this.#options.stats.bytesSent += bytes.length
  }

  #chunkBytes(): number {
    const fair = BUDGET_BYTES / Math.max(1, this.#behind.size)
    // The size is a power of two. With an exact share it would change with each connection that falls behind or catches
    // up, and connections at the same offset could not share chunks.
    return Math.min(MAX_CHUNK_BYTES, Math.max(MIN_CHUNK_BYTES, 2 ** Math.floor(Math.log2(fair))))
  }

  #closeIfOutOfReach(subscriber: Subscriber): void {
    const { catchUp, connection } = subscriber
    if (catchUp && !connection.serverClose && isOutOfReach(catchUp, this.#options.window)) this.#tooSlow(subscriber)
  }

  #tooSlow(subscriber: Subscriber): false {
    this.#runnable.delete(subscriber)
    subscriber.connection.close(CLOSES.tooSlow)
    return false
  }
}

/** Whether the window has evicted the connection's next entry. */
function isOutOfReach({ replays, position }: CatchUp, window: WindowView): boolean {
  return Math.min(position, replays[0]?.position ?? position) + 1 < window.first
}
