/**
 * `file:PATH`: a directory of segments, appended to and read by any number of processes of one machine, flushed to the
 * disk before an append is acked or an entry is told. Appends that come while one is being written share the next write.
 */
import { randomBytes } from 'node:crypto'
import { closeSync, fstatSync, watch, write } from 'node:fs'
import { setImmediate } from 'node:timers/promises'
import type { Clock } from '../clock.js'
import { LastcallError } from '../errors.js'
import type { Logger } from '../observability/log.js'
import { encodeEntry } from './entry-codec.js'
import { tellHistory } from './history.js'
import type { EngineRetention, Journal, JournalListener, NewEntry, Retention, Tail } from './journal.js'
import { Listeners } from './listeners.js'
import { flushFile, recover, type Recovered } from './recovery.js'
import { expectToFit, removeExpired } from './retention.js'
import { broken, explain, SegmentDirectory, WRITES_ARE_DURABLE } from './segment-directory.js'
import { entriesOf, SegmentReader, type PlacedFrame } from './segment-reader.js'
import { encodeFrame, newMark } from './segment.js'

export interface FileJournalOptions {
  readonly retention: EngineRetention
  /** How long the disk may take to answer an append before the journal counts as unavailable, in milliseconds. */
  readonly timeoutMs: number
  readonly clock: Clock
  readonly log: Logger
}

/** An append, on its way. */
interface Append {
  readonly entries: readonly Buffer[]
  readonly bytes: number
  readonly resolve: () => void
  readonly reject: (error: LastcallError) => void
}

/** The one write that is under way: from the call to the system until it is read back. */
interface OwnWrite {
  readonly appends: readonly Append[]
  readonly sequence: number
  readonly bytes: number
  isWritten: boolean
}

/** So much is written at once, unless a single append is larger. */
const MAX_WRITE_BYTES = 4 * 1024 * 1024
const MIN_SEGMENT_BYTES = 256 * 1024
const MAX_SEGMENT_BYTES = 16 * 1024 * 1024
/** Catches what the watch missed, tries a full disk again, notes how far it is. */
const CARE_INTERVAL_MS = 1000
/** Where files can't be watched, other processes' entries are looked for this often. */
const UNWATCHED_INTERVAL_MS = 50
/** Old segments are looked for when a new one is begun, and now and then: they may be too old only. */
const ROUNDS_PER_TRIM = 10

/** @throws {LastcallError} `journal_unusable`, `journal_unavailable` */
export async function openFileJournal(path: string, options: FileJournalOptions): Promise<Journal> {
  const directory = new SegmentDirectory(path)
  return new FileJournal(directory, options, await recover(directory, segmentLimit(options.retention)))
}

/** Disk is given back in whole segments: an eighth of what is kept. */
const segmentLimit = ({ maxBytes }: Retention): number =>
  Math.ceil(Math.min(MAX_SEGMENT_BYTES, Math.max(MIN_SEGMENT_BYTES, maxBytes / 8)))

class FileJournal implements Journal {
  readonly isShared = true
  readonly #directory: SegmentDirectory
  readonly #options: FileJournalOptions
  readonly #writer = randomBytes(6).readUIntBE(0, 6)
  readonly #listeners = new Listeners()
  readonly #histories = new Set<Promise<void>>()
  readonly #stopWatching: () => void
  readonly #stopCare: () => void
  #reader: SegmentReader
  /** The segment up to here is on the disk. */
  #durable: number
  #sequence = 0
  #waiting: Append[] = []
  #own: OwnWrite | undefined
  #isReading = false
  #readAgain = false
  #writeError: LastcallError | undefined
  #readError: LastcallError | undefined
  #isAvailable = true
  /** Damaged or gone: nothing but a person will make it good again. */
  #isOver = false
  #isTrimming = false
  #rounds = 0
  #notedPosition = 0
  #closed: Promise<void> | undefined
  #onIdle: (() => void) | undefined

  constructor(directory: SegmentDirectory, options: FileJournalOptions, { reader, durable }: Recovered) {
    this.#directory = directory
    this.#options = options
    this.#reader = reader
    this.#durable = durable
    this.#stopWatching = this.#watch()
    this.#stopCare = options.clock.every(CARE_INTERVAL_MS, () => this.#takeCare())
    this.#readOn()
  }

  // ——— appending

  async append(entries: readonly NewEntry[]): Promise<void> {
    if (this.#closed) throw new LastcallError('wrong_state', 'the journal is closed')
    if (this.#isOver && this.#readError) throw this.#readError
    const encoded = entries.map(encodeEntry)
    const bytes = encoded.reduce((sum, { length }) => sum + length, 0)
    for (const { length } of encoded) expectToFit(length, this.#options.retention)
    if (encoded.length === 0) return
    await new Promise<void>((resolve, reject) => {
      this.#waiting.push({ entries: encoded, bytes, resolve, reject })
      this.#writeNext()
    })
  }

  /** Writes what is waiting, unless something is under way that will call this again. */
  #writeNext(): void {
    if (this.#own || this.#isReading) return
    if (this.#waiting.length === 0) return this.#onIdle?.()
    if (this.#reader.hasEnded) return this.#readOn()
    let bytes = 0
    let count = 0
    while (count < this.#waiting.length && bytes < MAX_WRITE_BYTES) bytes += this.#waiting[count++]?.bytes ?? 0
    this.#write(this.#waiting.splice(0, count))
  }

  #write(appends: readonly Append[]): void {
    const { file, mark, position, nextOffset: offset } = this.#reader
    const sequence = (this.#sequence = (this.#sequence + 1) % 2 ** 32)
    const entries = appends.flatMap((append) => append.entries)
    const frame = encodeFrame({ writer: this.#writer, sequence, position, offset, entries }, mark)
    const own: OwnWrite = { appends, sequence, bytes: frame.length, isWritten: false }
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
    this.#writeError = undefined
    this.#readOn()
  }

  #onWriteFailed(reason: unknown): void {
    this.#writeError = explain(this.#directory.path, reason)
    this.#endOwn((append) => append.reject(this.#writeError as LastcallError))
    this.#readOn()
  }

  #endOwn(settle: (append: Append) => void): void {
    const appends = this.#own?.appends ?? []
    this.#own = undefined
    appends.forEach(settle)
  }

  // ——— reading

  /** Reads what is new, whoever wrote it, and then writes what is waiting. */
  #readOn(): void {
    this.#readAgain = true
    if (this.#isReading || this.#isOver) return
    this.#isReading = true
    void this.#read().then(() => {
      this.#isReading = false
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
      this.#readError = undefined
    } catch (reason) {
      this.#onReadFailed(reason)
    }
    this.#tellAvailability()
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
    if (frames.some(isOwn)) this.#endOwn((append) => append.resolve())
  }

  /** Goes on in the next segment, and makes it if nobody has. */
  async #moveOn(): Promise<void> {
    const { file: ended, nextOffset, totalBytes } = this.#reader
    const { epoch } = ended.header
    let file = this.#directory.openBehind(ended.header.firstOffset)
    while (!file) {
      const limit = segmentLimit(this.#options.retention)
      await this.#directory.create({ epoch, firstOffset: nextOffset, bytesBefore: totalBytes, limit, mark: newMark() })
      file = this.#directory.openBehind(ended.header.firstOffset)
    }
    if (file.header.epoch !== epoch) {
      closeSync(file.fd)
      throw broken(file.path, 'another journal has taken its place')
    }
    this.#reader = new SegmentReader(file)
    this.#durable = file.headerBytes
    closeSync(ended.fd)
    // Overtaken: others have moved on and removed what is missing here.
    if (file.header.firstOffset !== nextOffset) this.#listeners.onEpoch(epoch, file.header.firstOffset)
    // Written behind the end of the segment, where it does not count.
    const again = this.#own?.appends ?? []
    this.#own = undefined
    this.#waiting.unshift(...again)
    void this.#trim()
  }

  #onReadFailed(reason: unknown): void {
    const error = explain(this.#directory.path, reason)
    this.#readError = error
    this.#isOver = error.code === 'journal_unusable'
    const reject = (append: Append): void => append.reject(error)
    this.#endOwn(reject)
    this.#waiting.splice(0).forEach(reject)
  }

  #tellAvailability(): void {
    const error = this.#readError ?? this.#writeError
    if (this.#isAvailable === !error) return
    this.#isAvailable = !error
    this.#listeners.onAvailability(!error, error)
  }

  async tail(listener: JournalListener): Promise<Tail> {
    if (this.#closed) throw new LastcallError('wrong_state', 'the journal is closed')
    let tail: Tail = { stop: () => Promise.resolve() }
    const onCaughtUp = (): void => {
      tail = this.#listeners.add(listener)
      if (!this.#isAvailable) listener.onAvailability(false, this.#readError ?? this.#writeError)
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

  /** Reads on whenever somebody has written. What is under way here does so anyhow when it is over. */
  #watch(): () => void {
    const { path } = this.#directory
    const onChange = (name: string | null): void => {
      if (!this.#own && name?.endsWith('.log') !== false) this.#readOn()
    }
    const onError = (error: unknown): void => this.#options.log.warn('error', { error, path }, UNWATCHED)
    try {
      const watcher = watch(path, { persistent: false }, (_event, name) => onChange(name)).on('error', onError)
      return () => watcher.close()
    } catch (error) {
      onError(error)
      return this.#options.clock.every(UNWATCHED_INTERVAL_MS, () => onChange(null))
    }
  }

  #takeCare(): void {
    if (this.#isOver || this.#own || this.#isReading) return
    this.#rounds++
    const { file } = this.#reader
    const { nlink, size } = fstatSync(file.fd)
    if (nlink === 0 && size < file.header.limit) {
      this.#onReadFailed(broken(file.path, 'it was removed while in use'))
      this.#tellAvailability()
    } else if (this.#writeError) this.#write([])
    else this.#readOn()
    if (this.#rounds % ROUNDS_PER_TRIM === 0) void this.#trim()
    void this.#noteProgress()
  }

  async #trim(): Promise<void> {
    if (this.#isTrimming) return
    this.#isTrimming = true
    const { retention, clock } = this.#options
    const { file, nextOffset, totalBytes } = this.#reader
    const head = { nextOffset, totalBytes, now: clock.now() }
    await removeExpired(this.#directory, file.header.firstOffset, head, retention).catch(() => {
      // It is tried again; that the disk can't be read or written is noticed elsewhere.
    })
    this.#isTrimming = false
  }

  async #noteProgress(): Promise<void> {
    const { file, position, nextOffset } = this.#reader
    if (position === this.#notedPosition) return
    this.#notedPosition = position
    const { epoch, firstOffset: segment } = file.header
    await this.#directory.writeCheckpoint({ epoch, segment, position, nextOffset })
  }

  close(): Promise<void> {
    return (this.#closed ??= this.#shutDown())
  }

  async #shutDown(): Promise<void> {
    this.#listeners.clear()
    this.#stopCare()
    this.#stopWatching()
    await Promise.allSettled(this.#histories)
    await new Promise<void>((resolve) => {
      this.#onIdle = resolve
      this.#writeNext()
    })
    this.#notedPosition = 0
    await this.#noteProgress()
    closeSync(this.#reader.file.fd)
  }
}

const UNWATCHED = 'the journal cannot be watched: what other instances write is noticed later'
