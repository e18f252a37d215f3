/**
 * One tail of the journal, on a connection of its own: it begins with the retained entries and continues with new ones.
 * After an outage it compares the log with the last message that it has read, before it calls its listener again.
 */
import type { Logger } from '../../observability/log.js'
import type { Entry, JournalListener, Retention } from '../journal.js'
import type { RabbitAddress } from './address.js'
import type { RabbitConnection } from './connection.js'
import { Consumption } from './consumption.js'
import { KeptEntries } from './kept-entries.js'
import { Link } from './link.js'
import { beginEpoch, newestChunk, openLog, type LogAccess } from './log-access.js'
import type { Epoch, LogMessage } from './log-message.js'
import type { LogReading, LogSink } from './log-reading.js'

export interface ReaderOptions {
  readonly address: RabbitAddress
  readonly retention: Retention
  readonly listener: JournalListener
  readonly log: Logger
  /** Prepares a new connection, so that the queue can be read on it. */
  readonly prepare: (connection: RabbitConnection) => Promise<LogAccess>
  /** The greatest epoch that any part of this process has met. */
  readonly highestSeen: () => Epoch
  /** The reader has found this epoch. */
  readonly onEpoch: (epoch: Epoch, highestSeen: Epoch) => void
  /** Whether this journal has written the message with this id. */
  readonly isOwn: (id: string) => boolean
  /** The reader has read this journal's messages up to the one with this id. */
  readonly onOwnRead: (id: string) => void
  /** The value of `problem` has changed: the connection was lost, or the reader reads again. */
  readonly onProblemChange: () => void
}

/** The number of times that the reader looks for the epoch. Another instance may be about to begin it, too. */
const MAX_LOOKS_FOR_EPOCH = 10

export class Reader implements LogSink {
  readonly #options: ReaderOptions
  readonly #link: Link
  #reading: LogReading | undefined
  /** The last message that was read. The reader recognizes the log by it. */
  #last: LogMessage | undefined
  /** The epoch that the listener knows; `''` before it has begun. */
  #epoch: Epoch = ''
  #kept: KeptEntries | undefined
  #batch: Entry[] = []
  #problem: Error | undefined
  #isMuted = false
  /** The id of the last message in this turn that this journal has written. */
  #lastOwnId: string | undefined

  constructor(options: ReaderOptions) {
    this.#options = options
    this.#link = new Link({
      address: options.address,
      setUp: async (connection) => this.#setUp(await options.prepare(connection)),
      onDown: (reason) => this.#setProblem(reason),
      onUp: () => this.#setProblem(undefined),
    })
  }

  /** Why it cannot read at the moment. */
  get problem(): Error | undefined {
    return this.#problem
  }

  get listener(): JournalListener | undefined {
    return this.#isMuted ? undefined : this.#options.listener
  }

  /** Resolves when the listener has received everything that is retained. */
  open(): Promise<void> {
    return this.#link.open()
  }

  /** From now on the reader does not call the listener. */
  mute(): void {
    this.#isMuted = true
  }

  async close(): Promise<void> {
    this.mute()
    await this.#link.close()
  }

  #setProblem(problem: Error | undefined): void {
    this.#problem = problem
    this.#options.onProblemChange()
  }

  async #setUp(access: LogAccess): Promise<void> {
    // The connection may have ended within a turn, with messages that have not been delivered.
    this.#flush()
    const difference = this.#last ? await this.#resume(access, this.#last) : undefined
    if (this.#last && difference === undefined) return
    try {
      await this.#begin(access, difference)
    } finally {
      this.#kept = undefined
    }
  }

  /** Continues after the last message. Resolves with the difference if the log is not the one that was read. */
  async #resume(access: LogAccess, last: LogMessage): Promise<string | undefined> {
    const { connection, queue, clock } = access
    const found: { isThere: boolean; difference?: string } = { isThere: false }
    const onMessage = (message: LogMessage): void => {
      if (found.difference !== undefined || message.offset < last.offset) return
      if (found.isThere || message.offset > last.offset) this.#take(message)
      else if (!isSame(message, last)) found.difference = `it holds another entry at offset ${last.offset}`
      found.isThere = true
    }
    const onTurn = (): void => this.#flush()
    const consumption = await Consumption.start(connection, { queue, from: last.offset, clock, onMessage, onTurn })
    const hasBegun = (): boolean => found.isThere
    await consumption.caughtUp()
    if (!hasBegun()) {
      const newest = await newestChunk(access, this.#options.highestSeen())
      if (newest.last < last.offset) found.difference = `it ends before offset ${last.offset}`
      // The server has not begun to deliver. It begins with the last message, which exists.
      else while (!hasBegun()) await consumption.caughtUp()
    }
    if (found.difference !== undefined) await consumption.close()
    return found.difference
  }

  #take(message: LogMessage): void {
    this.#last = message
    this.#reading?.take(message)
    this.#noteOwn(message)
  }

  #noteOwn({ id }: LogMessage): void {
    if (this.#options.isOwn(id)) this.#lastOwnId = id
  }

  /** @param difference Why the log cannot be the one whose epoch the listener knows. */
  async #begin(access: LogAccess, difference: string | undefined): Promise<void> {
    const { retention, listener } = this.#options
    const told = this.#epoch
    const kept = new KeptEntries(retention)
    this.#kept = kept
    let last: LogMessage | undefined
    const { reading, consumption } = await openLog(access, {
      ...{ count: retention.maxEntries, sink: this, highestSeen: this.#options.highestSeen() },
      onMessage: (message) => {
        if (this.#hasBegun(kept)) this.#last = message
        else last = message
        this.#noteOwn(message)
      },
      onTurn: () => this.#flush(),
    })
    // An older epoch means that the log has lost even the beginning of the epoch that the listener knows.
    if (reading.epoch <= told) await this.#replaceEpoch(access, reading, consumption)
    if (difference !== undefined) this.#logDifference(difference, reading.epoch)
    const entries = kept.fresh(access.clock)
    this.#kept = undefined
    this.#last = last
    this.#reading = reading
    this.#epoch = reading.epoch
    this.#options.onEpoch(reading.epoch, reading.highestEpoch)
    if (this.#isMuted) return
    listener.onEpoch(reading.epoch, entries[0]?.offset ?? reading.nextOffset)
    if (entries.length > 0) listener.onBatch(entries)
  }

  /**
   * Begins a new epoch, because the log lost entries of an epoch whose offsets clients know. Cursors of that epoch
   * could now refer to other entries, so no instance may continue with it. All instances read the beginning of the new
   * one.
   */
  async #replaceEpoch(access: LogAccess, reading: LogReading, consumption: Consumption): Promise<void> {
    const lost = reading.epoch
    for (let look = 0; reading.epoch === lost; look++) {
      if (look === MAX_LOOKS_FOR_EPOCH) throw new Error('the beginning of a new epoch does not appear in the queue')
      const highestSeen = maxOf(reading.highestEpoch, this.#options.highestSeen())
      await beginEpoch(access, { highestSeen, supersedes: lost })
      const newest = await newestChunk(access, highestSeen)
      while (reading.nextOffset <= newest.last) await consumption.caughtUp()
    }
  }

  /** Whether the listener has received what was retained at the beginning. */
  #hasBegun(kept: KeptEntries): boolean {
    return this.#kept !== kept
  }

  #logDifference(difference: string, epoch: Epoch): void {
    this.#options.log.error(
      'journal.epoch',
      { epoch, queue: this.#options.address.queue },
      `the journal is not the one that was read: ${difference}`,
    )
  }

  // ——— LogSink

  onEpoch(epoch: Epoch, nextOffset: number): void {
    if (this.#kept) {
      this.#kept.onEpoch()
      return
    }
    this.#flush()
    this.#epoch = epoch
    this.#options.onEpoch(epoch, this.#reading?.highestEpoch ?? epoch)
    if (!this.#isMuted) this.#options.listener.onEpoch(epoch, nextOffset)
  }

  onEntry(entry: Entry): void {
    if (this.#kept) this.#kept.onEntry(entry)
    else this.#batch.push(entry)
  }

  #flush(): void {
    const batch = this.#batch
    this.#batch = []
    if (batch.length > 0 && !this.#isMuted) this.#options.listener.onBatch(batch)
    if (this.#lastOwnId !== undefined) this.#options.onOwnRead(this.#lastOwnId)
    this.#lastOwnId = undefined
  }
}

const isSame = (one: LogMessage, other: LogMessage): boolean =>
  one.epoch === other.epoch && one.supersedes === other.supersedes && one.bytes.equals(other.bytes)

const maxOf = (one: Epoch, other: Epoch): Epoch => (one > other ? one : other)
