/**
 * Catching up: who is behind, where, and the writing to them from the window as their sockets take more. A client that
 * resumes, one that was too slow, and one that asks for a channel's past are all the same here.
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

/** What all connections that are catching up may have queued together, in bytes. */
const BUDGET_BYTES = 32 * 1024 * 1024
const MAX_CHUNK_BYTES = 256 * 1024
const MIN_CHUNK_BYTES = 16 * 1024

/** How long catching up may hold the event loop at a stretch. */
const STRETCH_MS = 8

export class CatchUps {
  readonly #options: CatchUpsOptions
  readonly #cutter: ChunkCutter
  readonly #behind = new Set<Subscriber>()
  /** Those of them that can be written to, in turn. */
  readonly #runnable = new Set<Subscriber>()
  readonly #tasks: SlicedTasks
  #isScheduled = false

  constructor(options: CatchUpsOptions) {
    this.#options = options
    this.#tasks = new SlicedTasks({ clock: options.clock, stretchMs: STRETCH_MS })
    this.#cutter = new ChunkCutter(options.window)
  }

  /** How many are behind. */
  get size(): number {
    return this.#behind.size
  }

  /**
   * From here on the connection is written to from the window, from this position on, when its socket takes more.
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

  /** The connection has left. */
  forget(subscriber: Subscriber): void {
    subscriber.catchUp = undefined
    this.#behind.delete(subscriber)
    this.#runnable.delete(subscriber)
    if (this.#behind.size === 0) this.#cutter.clear()
  }

  /** There may be something to write, or room for it. */
  wake(subscriber: Subscriber): void {
    if (subscriber.transport.isFull) {
      this.#closeIfOutOfReach(subscriber)
      return
    }
    this.#runnable.add(subscriber)
    this.#schedule()
  }

  /** The window has more. */
  wakeAll(): void {
    for (const subscriber of this.#behind) this.wake(subscriber)
  }

  /**
   * Writes a frame once everything that is in the window now and concerns the connection has been written to it. Asked
   * again before that, it writes only the newer one, and later.
   */
  onceCaughtUp({ catchUp, transport }: Subscriber, frame: (offset: number) => Buffer): void {
    const { head } = this.#options.window
    if (catchUp && catchUp.position < head) catchUp.onceCaughtUp = { upTo: head, frame: frame(head) }
    else transport.write(frame(head))
  }

  /** Closes those for whom the window has moved on too far. */
  sweep(): void {
    for (const subscriber of this.#behind) this.#closeIfOutOfReach(subscriber)
  }

  /** Gives each runnable connection a chunk in turn, from the next turn of the event loop on. */
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
    // One that is runnable again stands at the end.
    if (this.#step(subscriber)) this.#runnable.add(subscriber)
    return true
  }

  /** Writes the connection's next chunk. `true`: there is more, and room for it. */
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
    // A power of two, so that connections at the same place share chunks while the number of those behind changes.
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

/** Whether what comes next is no longer kept. */
function isOutOfReach({ replays, position }: CatchUp, window: WindowView): boolean {
  return Math.min(position, replays[0]?.position ?? position) + 1 < window.first
}
