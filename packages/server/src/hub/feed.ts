/**
 * The feed reads the journal into the window and notifies its observers of each batch. It owns the tail, the epoch and
 * the window. It knows no connections.
 */
import { formatCursor, type Cursor } from '@lastcall/protocol'
import type { Clock } from '../clock.js'
import type { TransportEncoding } from '../connections/encoding.js'
import { isUnknown } from '../journal/entry-kinds.js'
import type { Entry, Journal, Retention, Tail } from '../journal/journal.js'
import type { Logger } from '../observability/log.js'
import type { Stats } from '../observability/stats.js'
import { SlicedTasks, type Task } from '../sliced-tasks.js'
import { Window, type ReadingTime, type WindowEntry } from './window.js'

/** The state that all instances share by the journal. It receives every entry before a client does. */
export interface SharedState {
  /** The feed has read every entry that the journal contained at the start. All further entries are new. */
  reachHead(): void
  /**
   * Applies an entry in the journal's order. Returns the entry that clients receive in its place, or, when that takes long,
   * the rest of the application. The feed applies no further entry before the end of it.
   */
  apply(entry: Entry): Entry | Application
  /** The journal was replaced, so all state from it is void. */
  replaced(): void
  /** The journal is reachable again after an outage. */
  reconnected(): void
}

/**
 * Does the next piece of the application of an entry. Returns the entry that clients receive once all is done, and nothing
 * before.
 */
export type Application = () => Entry | undefined

export interface FeedOptions {
  readonly journal: Journal
  readonly sharedState: SharedState
  readonly retention: Retention
  /** The encoding of most connections. Frames in other encodings are converted from frames in this one. */
  readonly encoding: TransportEncoding
  readonly clock: Clock
  readonly stats: Stats
  readonly log: Logger
}

/** The feed calls observers in the order in which they were added. They must not throw. */
export interface FeedObserver {
  /**
   * The window was emptied. `isReplaced` means that another journal has taken the place of the old one, and offsets may
   * restart.
   */
  onReset?(isReplaced: boolean): void
  /** The entries of a batch have become the newest entries of the window. */
  onBatch?(batch: readonly WindowEntry[]): void
  /** The feed calls it for each entry of the batch, after every observer's `onBatch`. */
  onEntry?(entry: Entry): void
  /** The feed calls it after the last `onEntry` of the batch. */
  onBatchEnd?(): void
  /** The journal has stopped or resumed taking entries. */
  onAvailability?(isAvailable: boolean): void
}

/** The number of replaced epochs that the feed remembers. */
const MAX_VOID_EPOCHS = 32

/**
 * How long the entries of the journal may hold the event loop in one turn, in milliseconds. The rest waits for the next turns,
 * in order: another process may write entries by the thousand, and an instance with many clients announces all of them.
 */
const STRETCH_MS = 8

/**
 * How long the entries of one batch may be applied before they are delivered, in milliseconds: an entry may hold the claims of 500
 * clients.
 */
const APPLY_MS = 4

/** The entries that are delivered together. Each batch costs a connection that it concerns one write. */
const MAX_BATCH = 256

/**
 * When more than this waits, in bytes of entries, the feed handles all of it in one turn, so that the journal's reader waits
 * for it: a reader that is faster than the feed must not fill the memory.
 */
const MAX_WAITING_BYTES = 16 * 1024 * 1024

/** The memory that an entry occupies in addition to its bytes. */
const ENTRY_OVERHEAD_BYTES = 200

export class Feed {
  readonly #options: FeedOptions
  readonly #window: Window
  readonly #observers = new Set<FeedObserver>()
  #epoch = ''
  /** The epochs that this feed has read and that were replaced. The newest is last. */
  #voidEpochs: string[] = []
  #isAvailable = true
  /** The reports of the journal that the feed has not applied yet, in the journal's order. */
  readonly #tasks: SlicedTasks
  #waitingBytes = 0
  #tail: Tail | undefined
  #isClosed = false
  #waitingForOffset: { offset: number; resolve: () => void }[] = []

  constructor(options: FeedOptions) {
    this.#options = options
    this.#window = new Window(options.retention, options.encoding)
    this.#tasks = new SlicedTasks({ clock: options.clock, stretchMs: STRETCH_MS })
  }

  /** Fills the window from the journal. Resolves when the window holds the journal's newest entry. */
  async open(): Promise<void> {
    this.#tail = await this.#options.journal.tail({
      onEpoch: (epoch, nextOffset) => this.#inTurn(() => this.#onEpoch(epoch, nextOffset)),
      onBatch: (entries) => this.#take(entries),
      onAvailability: (isAvailable, error) => this.#inTurn(() => this.#onAvailability(isAvailable, error)),
    })
    await new Promise<void>((resolve) =>
      this.#inTurn(() => {
        this.#options.sharedState.reachHead()
        resolve()
      }),
    )
  }

  /** Stops reading. The caller closes the journal itself. */
  async close(): Promise<void> {
    this.#isClosed = true
    await this.#tail?.stop()
  }

  /** Adds an observer. The returned function removes it. */
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

  /** Whether the window retains every entry after this cursor. */
  canRecover(cursor: Cursor | 'malformed'): cursor is Cursor {
    return cursor !== 'malformed' && cursor.epoch === this.#epoch && this.#window.reaches(cursor.offset)
  }

  /**
   * Whether the cursor belongs to an epoch that was replaced while this feed read it. A client with such a cursor has
   * certainly lost entries.
   */
  isVoid({ epoch }: Cursor): boolean {
    return epoch !== this.#epoch && this.#voidEpochs.includes(epoch)
  }

  /**
   * Resolves when the feed has read up to this cursor, or after `maxWaitMs`. Another instance may have delivered an
   * entry to the client that this instance has not read yet.
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

  /** Evicts the entries that are older than HISTORY_TTL. */
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
    // These handshakes wait for offsets of the old journal, which this feed will never read.
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

  /** Acts at once if nothing waits before it and this turn has time. */
  #inTurn(act: () => void): void {
    this.#tasks.add(() => {
      act()
      return false
    })
  }

  /** Nearly every batch is over after its first piece. */
  #take(entries: readonly Entry[]): void {
    const task = this.#taskFor(entries)
    if (this.#tasks.attempt(task)) return
    const bytes = sizeOf(entries)
    this.#waitingBytes += bytes
    this.#tasks.defer(() => {
      if (task()) return true
      this.#waitingBytes -= bytes
      return false
    })
    if (this.#waitingBytes > MAX_WAITING_BYTES) this.#tasks.finish()
  }

  /** Applies and delivers these entries, MAX_BATCH at a time, or those of APPLY_MS. An entry whose application takes long takes turns of its own. */
  #taskFor(entries: readonly Entry[]): Task {
    const { sharedState, clock } = this.#options
    const isHistory = this.#tail === undefined
    let next = 0
    let application: Application | undefined
    return () => {
      const first = next
      const time = { wallMs: clock.now(), monotonicMs: clock.monotonic(), isHistory }
      const batch: WindowEntry[] = []
      for (; !this.#isClosed && next < entries.length && batch.length < MAX_BATCH; next++) {
        const applied = application ? application() : sharedState.apply(entries[next] as Entry)
        if (!applied || typeof applied === 'function') {
          application = applied ?? application
          break
        }
        application = undefined
        batch.push(this.#push(applied, time))
        if (clock.monotonic() - time.monotonicMs >= APPLY_MS) {
          next++
          break
        }
      }
      if (batch.length > 0) this.#notify(batch, batch.length === entries.length ? entries : entries.slice(first, next))
      return !this.#isClosed && next < entries.length
    }
  }

  #push(entry: Entry, time: ReadingTime): WindowEntry {
    const { stats } = this.#options
    if (isUnknown(entry)) stats.unknownEntries++
    const item = this.#window.push(entry, time)
    if (item.retryOf !== undefined) stats.duplicates++
    return item
  }

  #notify(batch: readonly WindowEntry[], entries: readonly Entry[]): void {
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
    const reached = this.#waitingForOffset.filter(({ offset }) => offset <= head)
    this.#waitingForOffset = this.#waitingForOffset.filter(({ offset }) => offset > head)
    for (const { resolve } of reached) resolve()
  }
}

const sizeOf = (entries: readonly Entry[]): number =>
  entries.reduce((sum, { bytes }) => sum + bytes + ENTRY_OVERHEAD_BYTES, 0)
