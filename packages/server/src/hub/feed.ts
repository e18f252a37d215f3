/**
 * The feed: reads the journal into the window and tells its observers what it read. It owns the tail, the epoch and the
 * window. It knows no connection.
 */
import { formatCursor, type Cursor } from '@lastcall/protocol'
import type { Clock } from '../clock.js'
import type { TransportEncoding } from '../connections/encoding.js'
import { isUnknown } from '../journal/entry-kinds.js'
import type { Entry, Journal, Retention, Tail } from '../journal/journal.js'
import type { Logger } from '../observability/log.js'
import type { Stats } from '../observability/stats.js'
import { Window, type WindowEntry } from './window.js'

/** The state that all instances share by the journal: it reads every entry before clients are told of it. */
export interface SharedState {
  /** The window has been read; what follows is new. */
  reachHead(): void
  /** Applies an entry in the journal's order, and returns what clients are told of it. */
  apply(entry: Entry): Entry
  /** The journal was replaced. */
  replaced(): void
  /** The journal can be reached again. */
  reconnected(): void
}

export interface FeedOptions {
  readonly journal: Journal
  readonly sharedState: SharedState
  readonly retention: Retention
  /** What most connections use. Frames in other encodings are made from these. */
  readonly encoding: TransportEncoding
  readonly clock: Clock
  readonly stats: Stats
  readonly log: Logger
}

/** Observers are called in the order in which they began to observe. They must not throw. */
export interface FeedObserver {
  /** The window was emptied. `isReplaced`: by another journal, so that offsets may have restarted. */
  onReset?(isReplaced: boolean): void
  /** A batch stands in the window, as its newest entries. */
  onBatch?(batch: readonly WindowEntry[]): void
  /** Called for each entry of the batch, after every observer's `onBatch`. */
  onEntry?(entry: Entry): void
  /** The end of the batch. */
  onBatchEnd?(): void
  /** The journal takes no entries, or takes them again. */
  onAvailability?(isAvailable: boolean): void
}

/** So many replaced epochs are remembered. */
const MAX_VOID_EPOCHS = 32

export class Feed {
  readonly #options: FeedOptions
  readonly #window: Window
  readonly #observers = new Set<FeedObserver>()
  #epoch = ''
  /** The epochs that this feed has read and that were replaced, the newest last. */
  #voidEpochs: string[] = []
  #isAvailable = true
  #tail: Tail | undefined
  #waitingForOffset: { offset: number; resolve: () => void }[] = []

  constructor(options: FeedOptions) {
    this.#options = options
    this.#window = new Window(options.retention, options.encoding)
  }

  /** Fills the window from the journal. Resolves when it is up to date. */
  async open(): Promise<void> {
    this.#tail = await this.#options.journal.tail({
      onEpoch: (epoch, nextOffset) => this.#onEpoch(epoch, nextOffset),
      onBatch: (entries) => this.#onBatch(entries),
      onAvailability: (isAvailable, error) => this.#onAvailability(isAvailable, error),
    })
    this.#options.sharedState.reachHead()
  }

  /** Ends the reading. The caller closes the journal itself. */
  async close(): Promise<void> {
    await this.#tail?.stop()
  }

  /** The answer ends it. */
  observe(observer: FeedObserver): () => void {
    this.#observers.add(observer)
    return () => this.#observers.delete(observer)
  }

  get window(): Omit<Window, 'push' | 'reset' | 'trim'> {
    return this.#window
  }

  get isAvailable(): boolean {
    return this.#isAvailable
  }

  cursorAt(offset: number): string {
    return formatCursor({ epoch: this.#epoch, offset })
  }

  /** Whether every entry after this cursor is retained. */
  canRecover(cursor: Cursor | 'malformed'): cursor is Cursor {
    return cursor !== 'malformed' && cursor.epoch === this.#epoch && this.#window.reaches(cursor.offset)
  }

  /** Whether this cursor is of an epoch that was replaced while the feed read it: then its loss is certain. */
  isVoid({ epoch }: Cursor): boolean {
    return epoch !== this.#epoch && this.#voidEpochs.includes(epoch)
  }

  /**
   * Resolves when the feed has read as far as this cursor, after `maxWaitMs` at most: another instance may have delivered
   * an entry to the client that this one has not read yet.
   */
  async waitForCursor(cursor: Cursor, maxWaitMs: number): Promise<void> {
    if (cursor.epoch !== this.#epoch || cursor.offset <= this.#window.head) return
    await new Promise<void>((resolve) => {
      const waiting = { offset: cursor.offset, resolve }
      this.#waitingForOffset.push(waiting)
      this.#options.clock.after(maxWaitMs, () => {
        const index = this.#waitingForOffset.indexOf(waiting)
        if (index >= 0) this.#waitingForOffset.splice(index, 1)
        resolve()
      })
    })
  }

  /** Evicts what has become too old. */
  trim(): void {
    this.#window.trim(this.#options.clock.monotonic())
  }

  #onEpoch(epoch: string, nextOffset: number): void {
    const isReplaced = this.#epoch !== '' && (this.#epoch !== epoch || nextOffset !== this.#window.head + 1)
    if (isReplaced) this.#voidEpochs = [...this.#voidEpochs, this.#epoch].slice(-MAX_VOID_EPOCHS)
    this.#epoch = epoch
    this.#window.reset(nextOffset)
    if (isReplaced) {
      this.#options.log.error(
        'journal.epoch',
        { epoch, nextOffset },
        'the journal was replaced: the server closes every connection with 4010, and no client can resume',
      )
    }
    for (const observer of this.#observers) observer.onReset?.(isReplaced)
    if (!isReplaced) return
    this.#options.sharedState.replaced()
    // The offsets for which newcomers wait are those of the old journal.
    for (const { resolve } of this.#waitingForOffset.splice(0)) resolve()
  }

  #onAvailability(isAvailable: boolean, error: unknown): void {
    this.#isAvailable = isAvailable
    for (const observer of this.#observers) observer.onAvailability?.(isAvailable)
    const { log, sharedState } = this.#options
    if (isAvailable) {
      log.info('journal.available', 'the journal takes entries again')
      sharedState.reconnected()
    } else log.error('journal.unavailable', { error }, 'the journal takes no entries; clients stay connected')
  }

  #onBatch(entries: readonly Entry[]): void {
    const { sharedState, clock, stats } = this.#options
    const isHistory = this.#tail === undefined
    const time = { wallMs: clock.now(), monotonicMs: clock.monotonic(), isHistory }
    const batch: WindowEntry[] = []
    for (const entry of entries) {
      if (isUnknown(entry)) stats.unknownEntries++
      const item = this.#window.push(sharedState.apply(entry), time)
      if (item.retryOf !== undefined) stats.duplicates++
      batch.push(item)
    }
    for (const observer of this.#observers) observer.onBatch?.(batch)
    for (const entry of entries) {
      for (const observer of this.#observers) observer.onEntry?.(entry)
    }
    for (const observer of this.#observers) observer.onBatchEnd?.()
    this.#resolveWaiting()
  }

  #resolveWaiting(): void {
    if (this.#waitingForOffset.length === 0) return
    const { head } = this.#window
    const there = this.#waitingForOffset.filter(({ offset }) => offset <= head)
    this.#waitingForOffset = this.#waitingForOffset.filter(({ offset }) => offset > head)
    for (const { resolve } of there) resolve()
  }
}
