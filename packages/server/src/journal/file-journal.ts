/**
 * `file:PATH`: a directory of segments. Any number of processes of one machine append to it and read it. The journal
 * flushes entries to the disk before it resolves their append or delivers them. Appends that arrive during a write
 * share the next write.
 */
import { fstatSync, write } from 'node:fs'
import { nextTurn, type Clock } from '../clock.js'
import { LastcallError } from '../errors.js'
import type { Logger } from '../observability/log.js'
import type { Randomness } from '../randomness.js'
import { AppendQueue } from './append-queue.js'
import { Maintenance } from './maintenance.js'
import { watchSegments } from './directory-watch.js'
import { encodeEntry } from './entry-codec.js'
import { Faults } from './faults.js'
import { readHistory } from './history.js'
import { broken, explain, isBeyondRepair, unavailable } from './journal-errors.js'
import type { EngineRetention, Journal, JournalListener, NewEntry, Tail } from './journal.js'
import { Listeners } from './listeners.js'
import { recover, type Recovered } from './recovery.js'
import { expectToFit, segmentLimit } from './retention.js'
import { flushFile, SegmentDirectory, WRITES_ARE_DURABLE } from './segment-directory.js'
import { entriesOf, SegmentReader, type PlacedFrame } from './segment-reader.js'
import { encodeFrame, newMark } from './segment.js'

export interface FileJournalOptions {
  readonly retention: EngineRetention
  /** How long the disk may take to answer an append before the journal counts as unavailable, in milliseconds. */
  readonly timeoutMs: number
  readonly clock: Clock
  readonly randomness: Pick<Randomness, 'bytes'>
  readonly log: Logger
}

/** The one write that is under way: from the system call until its entries have been read back. */
interface OwnWrite {
  readonly sequence: number
  readonly bytes: number
  isWritten: boolean
}

/** The size of one write, unless a single append is larger. */
const MAX_WRITE_BYTES = 1024 * 1024
/** How often it tries a full disk again, checks the directory, and looks for entries that the watch missed. */
const MAINTENANCE_INTERVAL_MS = 1000
/** Maintenance runs between two removals of segments that have expired by age. */
const RUNS_PER_TRIM = 10
/** How many times per JOURNAL_TIMEOUT the journal checks whether an append is overdue. */
const LOOKS_PER_TIMEOUT = 10

/** @throws {LastcallError} `journal_unusable`, `journal_unavailable` */
export async function openFileJournal(path: string, options: FileJournalOptions): Promise<Journal> {
  const directory = new SegmentDirectory(path, options)
  try {
    const recovered = await recover(directory, segmentLimit(options.retention), options)
    const journal = new FileJournal(directory, options, recovered)
    await journal.open()
    return journal
  } catch (error) {
    directory.dispose()
    throw error
  }
}

class FileJournal implements Journal {
  readonly isShared = true
  readonly #directory: SegmentDirectory
  readonly #options: FileJournalOptions
  readonly #maintenance: Maintenance
  readonly #writer: number
  readonly #listeners = new Listeners()
  readonly #histories = new Set<Promise<void>>()
  readonly #stops: (() => void)[] = []
  readonly #appends = new AppendQueue()
  readonly #faults = new Faults((error) => this.#listeners.onAvailability(!error, error))
  #reader: SegmentReader
  /** The bytes of the segment up to this position are on the disk. */
  #durable: number
  #sequence = 0
  #own: OwnWrite | undefined
  #isReading = false
  #readAgain = false
  /** The journal is damaged or gone. Only a person can repair it. */
  #isOver = false
  #runs = 0
  #closed: Promise<void> | undefined
  #onIdle: (() => void) | undefined

  constructor(directory: SegmentDirectory, options: FileJournalOptions, { reader, durable }: Recovered) {
    this.#directory = directory
    this.#options = options
    this.#writer = options.randomness.bytes(6).readUIntBE(0, 6)
    this.#reader = reader
    this.#durable = durable
    this.#maintenance = new Maintenance({ ...options, directory, reader: () => this.#reader })
  }

  async open(): Promise<void> {
    const { clock, timeoutMs } = this.#options
    await this.#maintenance.open()
    // A write of this journal reads on itself when it ends.
    this.#stops.push(watchSegments(this.#directory.path, this.#options, () => !this.#own && this.#readOn()))
    this.#stops.push(clock.every(MAINTENANCE_INTERVAL_MS, () => this.#maintain()))
    this.#stops.push(clock.every(timeoutMs / LOOKS_PER_TIMEOUT, () => this.#endOverdue()))
    this.#readOn()
  }

  /**
   * The disk has not answered for JOURNAL_TIMEOUT. The write may still succeed: the journal then reads its entries like
   * entries of another process, and the hub recognizes a message that the client has sent again meanwhile as a retry.
   */
  #endOverdue(): void {
    const { clock, timeoutMs } = this.#options
    const { oldestTakenAtMs } = this.#appends
    if (oldestTakenAtMs === undefined || clock.monotonic() - oldestTakenAtMs < timeoutMs) return
    const error = unavailable(this.#directory.path, `the disk has not answered for ${timeoutMs / 1000} s`)
    this.#faults.set('stall', error)
    this.#appends.reject(error)
  }

  // ——— appending

  async append(entries: readonly NewEntry[]): Promise<void> {
    if (this.#closed) throw new LastcallError('wrong_state', 'the journal is closed')
    const { error } = this.#faults
    if (error) throw error
    const encoded = entries.map(encodeEntry)
    const bytes = encoded.reduce((sum, { length }) => sum + length, 0)
    for (const { length } of encoded) expectToFit(length, this.#options.retention)
    if (encoded.length === 0) return
    await new Promise<void>((resolve, reject) => {
      this.#appends.add({ entries: encoded, bytes, takenAtMs: this.#options.clock.monotonic(), resolve, reject })
      this.#writeNext()
    })
  }

  /** Writes what waits, unless an operation is under way that calls this method at its end. */
  #writeNext(): void {
    if (this.#own || this.#isReading) return
    if (!this.#appends.hasWaiting) return this.#onIdle?.()
    if (this.#reader.hasEnded) return this.#readOn()
    this.#write(this.#appends.begin(MAX_WRITE_BYTES))
  }

  #write(entries: readonly Buffer[]): void {
    const { file, mark, position, nextOffset: offset } = this.#reader
    const sequence = (this.#sequence = (this.#sequence + 1) % 2 ** 32)
    const frame = encodeFrame({ writer: this.#writer, sequence, position, offset, entries }, mark)
    const own: OwnWrite = { sequence, bytes: frame.length, isWritten: false }
    this.#own = own
    write(file.fd, frame, 0, frame.length, null, (error, written) => {
      if (error) this.#onWriteFailed(error)
      // Another process may have written after this part meanwhile, so the part stays, as a torn write.
      else if (written < frame.length)
        this.#onWriteFailed(new Error(`the disk took ${written} of ${frame.length} bytes`))
      else if (WRITES_ARE_DURABLE) this.#onWritten(own)
      else {
        flushFile(file.fd).then(
          () => this.#onWritten(own),
          (reason: unknown) => this.#onWriteFailed(reason),
        )
      }
    })
  }

  #onWritten(own: OwnWrite): void {
    own.isWritten = true
    this.#faults.clear('write')
    this.#readOn()
  }

  /** The appends that wait fail, too: each further write to a full disk would leave another torn one. */
  #onWriteFailed(reason: unknown): void {
    const error = explain(this.#directory.path, reason)
    this.#own = undefined
    this.#faults.set('write', error)
    this.#appends.reject(error)
    void this.#maintenance.trim()
    this.#readOn()
  }

  // ——— reading

  /** Reads new entries, whichever process wrote them, and then writes the appends that wait. */
  #readOn(): void {
    this.#readAgain = true
    if (this.#isReading || this.#isOver) return
    this.#isReading = true
    void this.#read().then(() => {
      this.#isReading = false
      if (!this.#own) this.#faults.clear('stall')
      if (this.#readAgain && !this.#isOver) this.#readOn()
      else this.#writeNext()
    })
  }

  async #read(): Promise<void> {
    try {
      while (this.#readAgain) {
        this.#readAgain = false
        let pending = this.#readPiece()
        while (pending) {
          await pending
          pending = this.#readPiece()
        }
      }
      this.#faults.clear('read')
    } catch (reason) {
      this.#onReadFailed(reason)
    }
  }

  /** Reads on. Returns a promise if the caller must wait before the next call; `undefined`: everything has been read. */
  #readPiece(): Promise<void> | undefined {
    const own = this.#own
    if (own && !own.isWritten) return undefined
    const { file } = this.#reader
    const { size } = fstatSync(file.fd)
    if (size < this.#durable) throw broken(file.path, `it was cut short while in use, to ${size} bytes`)
    // No entry is delivered before it is on the disk. A write of this journal is when it ends; others are flushed here.
    if (own && size === this.#durable + own.bytes) this.#durable = size
    if (size > this.#durable) return this.#flush(size)
    const frames = this.#reader.read(this.#durable)
    if (frames.length > 0) this.#deliver(frames)
    if (this.#reader.hasEnded) return this.#moveOn()
    if (frames.length > 0 && this.#reader.position < this.#durable) return nextTurn(this.#options.clock)
    if (this.#own) throw broken(file.path, `the bytes that were written at ${this.#reader.position} are missing`)
    return undefined
  }

  async #flush(size: number): Promise<void> {
    await flushFile(this.#reader.file.fd)
    this.#durable = size
  }

  #deliver(frames: readonly PlacedFrame[]): void {
    this.#listeners.onBatch(entriesOf(this.#reader.file, frames))
    const isOwn = ({ frame }: PlacedFrame): boolean =>
      frame.writer === this.#writer && frame.sequence === this.#own?.sequence
    if (!frames.some(isOwn)) return
    this.#own = undefined
    this.#appends.succeed()
  }

  /** Continues in the next segment, and creates it if no process has. */
  async #moveOn(): Promise<void> {
    const { file: ended, nextOffset, totalBytes } = this.#reader
    const { epoch } = ended.header
    await this.#directory.expectInPlace()
    let file = this.#directory.openBehind(ended.header.firstOffset)
    while (!file) {
      // On a full disk, the removal of old segments makes room for the new one.
      await this.#maintenance.trim()
      const { retention, randomness } = this.#options
      const limit = segmentLimit(retention)
      const mark = newMark(randomness)
      await this.#directory.create({ epoch, firstOffset: nextOffset, bytesBefore: totalBytes, limit, mark })
      file = this.#directory.openBehind(ended.header.firstOffset)
    }
    if (file.header.epoch !== epoch) {
      this.#directory.close(file.fd)
      throw broken(file.path, 'another journal has taken its place')
    }
    this.#reader = new SegmentReader(file)
    this.#durable = file.headerBytes
    this.#directory.close(ended.fd)
    this.#maintenance.ended(ended.header.firstOffset)
    // Other processes have moved on and removed segments that this one had not read.
    if (file.header.firstOffset !== nextOffset) this.#listeners.onEpoch(epoch, file.header.firstOffset)
    // The write landed after the end of the segment, where it does not count.
    this.#own = undefined
    this.#appends.requeue()
    void this.#maintenance.trim()
  }

  #onReadFailed(reason: unknown): void {
    const error = explain(this.#directory.path, reason)
    this.#isOver = isBeyondRepair(error)
    this.#own = undefined
    this.#faults.set('read', error)
    this.#appends.reject(error)
  }

  async tail(listener: JournalListener): Promise<Tail> {
    if (this.#closed) throw new LastcallError('wrong_state', 'the journal is closed')
    let tail: Tail = { stop: () => Promise.resolve() }
    const onCaughtUp = (): void => {
      tail = this.#listeners.add(listener)
      const { error } = this.#faults
      if (error) listener.onAvailability(false, error)
    }
    const isStopped = (): boolean => this.#closed !== undefined
    const live = (): SegmentReader => this.#reader
    const history = readHistory({ ...this.#options, directory: this.#directory, live, isStopped, onCaughtUp }, listener)
    this.#histories.add(history)
    try {
      await history
    } catch (error) {
      throw explain(this.#directory.path, error)
    } finally {
      this.#histories.delete(history)
    }
    return tail
  }

  // ——— maintenance

  #maintain(): void {
    if (this.#isOver) return
    void this.#maintenance.look((displacement) => this.#onLooked(displacement))
    if (this.#own || this.#isReading) return
    this.#runs++
    const { file } = this.#reader
    const { nlink, size } = fstatSync(file.fd)
    if (nlink === 0 && size < file.header.limit) {
      this.#onReadFailed(broken(file.path, 'it was removed while in use'))
    } else if (this.#faults.has('write')) this.#write([])
    else this.#readOn()
    if (this.#runs % RUNS_PER_TRIM === 0) void this.#maintenance.trim()
    void this.#maintenance.noteProgress()
  }

  /** The write that is under way ends in the moved directory. Nothing else may follow it there. */
  #onLooked(displacement: LastcallError | undefined): void {
    if (!displacement) return this.#faults.clear('place')
    this.#faults.set('place', displacement)
    this.#appends.rejectWaiting(displacement)
  }

  close(): Promise<void> {
    return (this.#closed ??= this.#shutDown())
  }

  async #shutDown(): Promise<void> {
    this.#listeners.clear()
    for (const stop of this.#stops) stop()
    await Promise.allSettled(this.#histories)
    await new Promise<void>((resolve) => {
      this.#onIdle = resolve
      this.#writeNext()
    })
    await this.#maintenance.noteLast()
    this.#directory.close(this.#reader.file.fd)
    this.#directory.dispose()
  }
}
