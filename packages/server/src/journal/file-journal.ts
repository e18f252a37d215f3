/**
 * `file:PATH`: a directory of segments, appended to and read by any number of processes of one machine, flushed to the
 * disk before an append is acked or an entry is told. Appends that come while one is being written share the next write.
 */
import { randomBytes } from 'node:crypto'
import { fstatSync, write } from 'node:fs'
import { setImmediate } from 'node:timers/promises'
import type { Clock } from '../clock.js'
import { LastcallError } from '../errors.js'
import type { Logger } from '../observability/log.js'
import { AppendQueue } from './append-queue.js'
import { Caretaker } from './caretaker.js'
import { watchSegments } from './directory-watch.js'
import { encodeEntry } from './entry-codec.js'
import { Faults } from './faults.js'
import { tellHistory } from './history.js'
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
  readonly log: Logger
}

/** The one write that is under way: from the call to the system until it is read back. */
interface OwnWrite {
  readonly sequence: number
  readonly bytes: number
  isWritten: boolean
}

/** So much is written at once, unless a single append is larger. */
const MAX_WRITE_BYTES = 1024 * 1024
/** Catches what the watch missed, tries a full disk again, looks after the directory, notes how far it is. */
const CARE_INTERVAL_MS = 1000
/** Old segments are looked for when a new one is begun, and now and then: they may be too old only. */
const ROUNDS_PER_TRIM = 10
/** So often, in JOURNAL_TIMEOUT, is looked whether an append is overdue. */
const LOOKS_PER_TIMEOUT = 10

/** @throws {LastcallError} `journal_unusable`, `journal_unavailable` */
export async function openFileJournal(path: string, options: FileJournalOptions): Promise<Journal> {
  const directory = new SegmentDirectory(path)
  try {
    const recovered = await recover(directory, segmentLimit(options.retention))
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
  readonly #caretaker: Caretaker
  readonly #writer = randomBytes(6).readUIntBE(0, 6)
  readonly #listeners = new Listeners()
  readonly #histories = new Set<Promise<void>>()
  readonly #stops: (() => void)[] = []
  readonly #appends = new AppendQueue()
  readonly #faults = new Faults((error) => this.#listeners.onAvailability(!error, error))
  #reader: SegmentReader
  /** The segment up to here is on the disk. */
  #durable: number
  #sequence = 0
  #own: OwnWrite | undefined
  #isReading = false
  #readAgain = false
  /** Damaged or gone: nothing but a person will make it good again. */
  #isOver = false
  #rounds = 0
  #closed: Promise<void> | undefined
  #onIdle: (() => void) | undefined

  constructor(directory: SegmentDirectory, options: FileJournalOptions, { reader, durable }: Recovered) {
    this.#directory = directory
    this.#options = options
    this.#reader = reader
    this.#durable = durable
    this.#caretaker = new Caretaker({ ...options, directory, reader: () => this.#reader })
  }

  async open(): Promise<void> {
    const { clock, timeoutMs } = this.#options
    await this.#caretaker.open()
    // What is under way here reads on anyhow when it is over.
    this.#stops.push(watchSegments(this.#directory.path, this.#options, () => !this.#own && this.#readOn()))
    this.#stops.push(clock.every(CARE_INTERVAL_MS, () => this.#takeCare()))
    this.#stops.push(clock.every(timeoutMs / LOOKS_PER_TIMEOUT, () => this.#endOverdue()))
    this.#readOn()
  }

  /**
   * The disk has not answered for JOURNAL_TIMEOUT. What is being written may still get there: then it is read and told
   * like an entry of another process, and a client that has sent it again meanwhile meets it as its own.
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

  /** Writes what is waiting, unless something is under way that will call this again. */
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
      // The rest can't be written behind it, another process may have been faster. What is there counts as torn.
      else if (written < frame.length) this.#onWriteFailed(new Error(`${written} of ${frame.length} bytes found room`))
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

  /** What waits is refused, too: on a full disk each further write would leave a torn one. It is tried again in a second. */
  #onWriteFailed(reason: unknown): void {
    const error = explain(this.#directory.path, reason)
    this.#own = undefined
    this.#faults.set('write', error)
    this.#appends.reject(error)
    void this.#caretaker.trim()
    this.#readOn()
  }

  // ——— reading

  /** Reads what is new, whoever wrote it, and then writes what is waiting. */
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

  /** Reads on as far as it is on the disk, and says what must be waited for before there is more; nothing: that is all. */
  #readPiece(): Promise<void> | undefined {
    const own = this.#own
    if (own && !own.isWritten) return undefined
    const { file } = this.#reader
    const { size } = fstatSync(file.fd)
    if (size < this.#durable) throw broken(file.path, `it was cut short while in use, to ${size} bytes`)
    // Nothing is told before it is on the disk. Own writes are, when they are done; of the others nobody knows.
    if (own && size === this.#durable + own.bytes) this.#durable = size
    if (size > this.#durable) return this.#flush(size)
    const frames = this.#reader.read(this.#durable)
    if (frames.length > 0) this.#tell(frames)
    if (this.#reader.hasEnded) return this.#moveOn()
    if (frames.length > 0 && this.#reader.position < this.#durable) return setImmediate()
    if (this.#own) throw broken(file.path, `what was written at byte ${this.#reader.position} is not to be found`)
    return undefined
  }

  async #flush(size: number): Promise<void> {
    await flushFile(this.#reader.file.fd)
    this.#durable = size
  }

  #tell(frames: readonly PlacedFrame[]): void {
    this.#listeners.onBatch(entriesOf(this.#reader.file, frames))
    const isOwn = ({ frame }: PlacedFrame): boolean =>
      frame.writer === this.#writer && frame.sequence === this.#own?.sequence
    if (!frames.some(isOwn)) return
    this.#own = undefined
    this.#appends.succeed()
  }

  /** Goes on in the next segment, and makes it if nobody has. */
  async #moveOn(): Promise<void> {
    const { file: ended, nextOffset, totalBytes } = this.#reader
    const { epoch } = ended.header
    await this.#directory.expectInPlace()
    let file = this.#directory.openBehind(ended.header.firstOffset)
    while (!file) {
      // First of all: on a full disk this makes the room for it.
      await this.#caretaker.trim()
      const limit = segmentLimit(this.#options.retention)
      await this.#directory.create({ epoch, firstOffset: nextOffset, bytesBefore: totalBytes, limit, mark: newMark() })
      file = this.#directory.openBehind(ended.header.firstOffset)
    }
    if (file.header.epoch !== epoch) {
      this.#directory.close(file.fd)
      throw broken(file.path, 'another journal has taken its place')
    }
    this.#reader = new SegmentReader(file)
    this.#durable = file.headerBytes
    this.#directory.close(ended.fd)
    this.#caretaker.ended(ended.header.firstOffset)
    // Overtaken: others have moved on and removed what is missing here.
    if (file.header.firstOffset !== nextOffset) this.#listeners.onEpoch(epoch, file.header.firstOffset)
    // Written behind the end of the segment, where it does not count.
    this.#own = undefined
    this.#appends.requeue()
    void this.#caretaker.trim()
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
    const history = tellHistory({ ...this.#options, directory: this.#directory, live, isStopped, onCaughtUp }, listener)
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

  // ——— taking care

  #takeCare(): void {
    if (this.#isOver) return
    void this.#caretaker.look((displacement) => this.#onLooked(displacement))
    if (this.#own || this.#isReading) return
    this.#rounds++
    const { file } = this.#reader
    const { nlink, size } = fstatSync(file.fd)
    if (nlink === 0 && size < file.header.limit) {
      this.#onReadFailed(broken(file.path, 'it was removed while in use'))
    } else if (this.#faults.has('write')) this.#write([])
    else this.#readOn()
    if (this.#rounds % ROUNDS_PER_TRIM === 0) void this.#caretaker.trim()
    void this.#caretaker.noteProgress()
  }

  /** What is being written is in the old directory before this is known. Nothing else follows it there. */
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
    await this.#caretaker.noteLast()
    this.#directory.close(this.#reader.file.fd)
    this.#directory.dispose()
  }
}
