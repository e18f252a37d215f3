/**
 * The directory of a file journal: lists, creates and removes segments, and checks whether the directory is still the
 * one that was opened. It never overwrites a file. It works even when the process has no descriptor left.
 */
import { closeSync, constants, fdatasync, fstatSync, fsync, openSync, readdirSync, readSync, write } from 'node:fs'
import { access, link, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Clock } from '../clock.js'
import type { LastcallError } from '../errors.js'
import type { Randomness } from '../randomness.js'
import { DescriptorReserve } from './descriptor-reserve.js'
import { codeOf, ELSEWHERE, explain, isMissing, RESTORE, unavailable, unusable } from './journal-errors.js'
import { makeDirectory } from './make-directory.js'
import type { SegmentFacts } from './retention.js'
import type { SegmentAges } from './segment-ages.js'
import { decodeHeader, decodeLine, encodeHeader, encodeLine, MAX_HEADER_BYTES, type SegmentHeader } from './segment.js'

/** An open segment. */
export interface SegmentFile {
  readonly path: string
  readonly fd: number
  readonly header: SegmentHeader
  /** The frames begin after the header. */
  readonly headerBytes: number
}

/**
 * A position that a reader once reached. A file that ends before it, or has other offsets there, has lost data since.
 * An old checkpoint stays true, so any process may write it at any time, and it may be missing.
 */
export interface Checkpoint {
  readonly epoch: string
  /** The segment's first offset. */
  readonly segment: number
  readonly position: number
  readonly nextOffset: number
}

/**
 * On other systems the journal calls fdatasync after each write: Windows has no such flag, and on macOS the flag does
 * not reach the disk.
 */
export const WRITES_ARE_DURABLE = process.platform === 'linux'

const OPEN_FLAGS = constants.O_RDWR | constants.O_APPEND | (WRITES_ARE_DURABLE ? constants.O_DSYNC : 0)

/** Only the server's user may read segments, because they contain messages. */
const FILE_MODE = 0o600

const SEGMENT_NAME = /^(\d{16})\.log$/
const CHECKPOINT_NAME = 'checkpoint'
const CHECKPOINT_TITLE = 'lastcall-checkpoint'
const TEMPORARY_NAME = /^[0-9a-f]{16}\.tmp$/
/** The names of other files that an empty directory may contain. */
const HARMLESS_NAMES = /^\.|^lost\+found$|^checkpoint$|^session-secret$|^[0-9a-f]{16}\.tmp$/
/** The error codes of a file system without hard links. */
const NO_LINKS: ReadonlySet<string> = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'])
const STALE_MS = 60_000
/**
 * One descriptor is for listing the directory or creating a segment, the other for opening a segment of another
 * process.
 */
const RESERVED_DESCRIPTORS = 2

export const flushFile = promisify(fdatasync)
const writeTo = promisify(write)
const flushDirectory = promisify(fsync)

const segmentName = (firstOffset: number): string => `${String(firstOffset).padStart(16, '0')}.log`

export interface DirectoryContext {
  readonly clock: Pick<Clock, 'now'>
  readonly randomness: Pick<Randomness, 'bytes'>
}

/** The numbers of a file or directory that stay the same when it is renamed. */
interface Identity {
  readonly dev: bigint
  readonly ino: bigint
}

const isSame = (one: Identity, other: Identity): boolean => one.dev === other.dev && one.ino === other.ino

export class SegmentDirectory {
  readonly path: string
  readonly #reserve = new DescriptorReserve(RESERVED_DESCRIPTORS)
  /** The headers that were read. A header never changes. */
  readonly #headers = new Map<number, Pick<SegmentFile, 'header' | 'headerBytes'>>()
  #identity: Identity | undefined
  /** The descriptor of the directory. Windows cannot open or flush a directory. */
  #fd: number | undefined

  readonly #context: DirectoryContext

  constructor(path: string, context: DirectoryContext) {
    this.path = path
    this.#context = context
  }

  /**
   * Creates the directory if it does not exist, and checks that it may become a journal.
   *
   * @throws {LastcallError} `journal_unusable`
   */
  async prepare(): Promise<void> {
    try {
      await makeDirectory(this.path)
      await access(this.path, constants.R_OK | constants.W_OK | constants.X_OK)
      this.#identity = await stat(this.path, { bigint: true })
      if (process.platform !== 'win32') this.#fd ??= openSync(this.path, 'r')
    } catch (error) {
      throw explain(this.path, error)
    }
    const names = await readdir(this.path)
    if (names.some((name) => SEGMENT_NAME.test(name))) return
    const others = names.filter((name) => !HARMLESS_NAMES.test(name))
    if (others.length === 0) return
    const found = `it holds other files (${others.slice(0, 3).join(', ')}${others.length > 3 ? ', …' : ''})`
    throw unusable(this.path, found, 'Give the journal a directory of its own.')
  }

  /** The first offsets of the segments, the oldest first. */
  list(): number[] {
    const names = this.#reserve.use(() => readdirSync(this.path))
    this.#reserve.replenish()
    return names
      .map((name) => Number(SEGMENT_NAME.exec(name)?.[1] ?? Number.NaN))
      .filter((firstOffset) => !Number.isNaN(firstOffset))
      .sort((a, b) => a - b)
  }

  /**
   * Opens a segment. `undefined`: the segment does not exist, or was removed.
   *
   * @throws {LastcallError} `journal_unusable`: the file is no segment, is damaged, or cannot be opened.
   */
  open(firstOffset: number): SegmentFile | undefined {
    const path = join(this.path, segmentName(firstOffset))
    let fd
    try {
      fd = this.#reserve.use(() => openSync(path, OPEN_FLAGS))
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return undefined
      throw explain(path, error)
    }
    try {
      return { path, fd, ...readHeader(path, fd, firstOffset) }
    } catch (error) {
      this.close(fd)
      throw explain(path, error)
    }
  }

  /**
   * Opens the segment after this one. `undefined`: there is none. A segment that is not full although others follow it
   * is a leftover and is skipped: a slow process created it again after other processes had removed it.
   */
  openBehind(firstOffset: number): SegmentFile | undefined {
    const newer = this.list().filter((candidate) => candidate > firstOffset)
    for (const candidate of newer) {
      const file = this.open(candidate)
      if (!file) return this.openBehind(firstOffset)
      if (candidate === newer.at(-1) || fstatSync(file.fd).size >= file.header.limit) return file
      this.close(file.fd)
    }
    return undefined
  }

  /** Closes a file, and keeps its descriptor if the reserve lacks one. */
  close(fd: number): void {
    closeSync(fd)
    this.#reserve.replenish()
  }

  /** Closes all descriptors of this object. */
  dispose(): void {
    this.#reserve.close()
    if (this.#fd !== undefined) closeSync(this.#fd)
    this.#fd = undefined
  }

  /**
   * Why the directory, or the segment that is being written, is not the one that was opened any more. `undefined`: it
   * is. A server that continued would acknowledge entries into a directory that the next server does not find.
   */
  async displacement(file?: SegmentFile): Promise<LastcallError | undefined> {
    const identityOf = (path: string): Promise<Identity | undefined> =>
      stat(path, { bigint: true }).catch((error: unknown) => {
        if (isMissing(error)) return undefined
        throw error
      })
    try {
      const [found, expected] = [await identityOf(this.path), this.#identity]
      if (!found) return unavailable(this.path, 'the directory has been moved away or removed')
      if (expected && !isSame(found, expected)) return unavailable(this.path, 'another directory has taken its place')
      // Another process may have removed a segment that is full.
      if (!file || fstatSync(file.fd).size >= file.header.limit) return undefined
      const segment = await identityOf(file.path)
      if (segment && isSame(segment, fstatSync(file.fd, { bigint: true }))) return undefined
      return unavailable(this.path, `its segment ${file.path} has been moved away or replaced`)
    } catch (error) {
      return explain(this.path, error)
    }
  }

  /**
   * @throws {LastcallError} `journal_unavailable`: the path leads to another directory, where the journal must not
   *   create files.
   */
  async expectInPlace(): Promise<void> {
    const displacement = await this.displacement()
    if (displacement) throw displacement
  }

  /** Creates a segment unless another process has. When this resolves, the segment and its name are on the disk. */
  async create(header: SegmentHeader): Promise<void> {
    await this.expectInPlace()
    const temporary = join(this.path, this.#temporaryName())
    let fd
    try {
      fd = this.#reserve.use(() => openSync(temporary, 'wx', FILE_MODE))
      const bytes = encodeHeader(header)
      const { bytesWritten } = await writeTo(fd, bytes)
      if (bytesWritten < bytes.length) throw new Error(`the disk took only ${bytesWritten} of ${bytes.length} bytes`)
      await flushFile(fd)
      // Unlike a rename, a link never replaces an existing file, so only one of several processes creates the segment.
      await link(temporary, join(this.path, segmentName(header.firstOffset))).catch((error: unknown) => {
        const code = String(codeOf(error))
        if (code === 'EEXIST') return
        if (!NO_LINKS.has(code)) throw error
        throw unusable(this.path, `its file system makes no hard links (${code})`, 'Put it on a local disk.', error)
      })
      if (this.#fd !== undefined) await flushDirectory(this.#fd)
    } catch (error) {
      throw explain(this.path, error)
    } finally {
      if (fd !== undefined) this.close(fd)
      await rm(temporary, { force: true }).catch(() => undefined)
    }
  }

  /**
   * The facts about all segments, the oldest first, without reading their entries. A segment that is removed meanwhile
   * is missing.
   */
  async facts(ages: SegmentAges): Promise<SegmentFacts[]> {
    const facts: SegmentFacts[] = []
    for (const firstOffset of this.list()) {
      const known = this.#headers.get(firstOffset) ?? this.#readHeader(firstOffset)
      const { size } = (await stat(join(this.path, segmentName(firstOffset))).catch(() => undefined)) ?? {}
      if (!known || size === undefined) continue
      const { header, headerBytes } = known
      const { bytesBefore } = header
      facts.push({ firstOffset, bytesBefore, fileBytes: size, headerBytes, ageMs: ages.ageMs(firstOffset) })
    }
    return facts
  }

  #readHeader(firstOffset: number): Pick<SegmentFile, 'header' | 'headerBytes'> | undefined {
    const file = this.open(firstOffset)
    if (!file) return undefined
    this.close(file.fd)
    const { header, headerBytes } = file
    this.#headers.set(firstOffset, { header, headerBytes })
    return file
  }

  async remove(firstOffset: number): Promise<void> {
    await this.expectInPlace()
    await rm(join(this.path, segmentName(firstOffset)), { force: true })
    this.#headers.delete(firstOffset)
  }

  /**
   * The time of the segment's file: milliseconds since 1970. `undefined`: the segment does not exist, or was removed.
   */
  async fileTimeMs(firstOffset: number): Promise<number | undefined> {
    return (await stat(join(this.path, segmentName(firstOffset))).catch(() => undefined))?.mtimeMs
  }

  /** Removes the temporary files of processes that were killed while they created a file. */
  async removeStale(): Promise<void> {
    for (const name of await readdir(this.path)) {
      if (!TEMPORARY_NAME.test(name)) continue
      const path = join(this.path, name)
      const nowMs = this.#context.clock.now()
      const { mtimeMs = nowMs } = (await stat(path).catch(() => undefined)) ?? {}
      if (nowMs - mtimeMs > STALE_MS) await rm(path, { force: true })
    }
  }

  #temporaryName(): string {
    return `${this.#context.randomness.bytes(8).toString('hex')}.tmp`
  }

  /**
   * `undefined`: there is no readable checkpoint. A checkpoint only helps to discover missing data, so the journal
   * works without it.
   */
  async readCheckpoint(): Promise<Checkpoint | undefined> {
    const bytes = await readFile(join(this.path, CHECKPOINT_NAME)).catch(() => undefined)
    const decoded = bytes && decodeLine<Checkpoint>(CHECKPOINT_TITLE, bytes)
    return decoded && 'content' in decoded ? decoded.content : undefined
  }

  async writeCheckpoint(checkpoint: Checkpoint): Promise<void> {
    const temporary = join(this.path, this.#temporaryName())
    try {
      await this.expectInPlace()
      await writeFile(temporary, encodeLine(CHECKPOINT_TITLE, checkpoint), { flag: 'wx', mode: FILE_MODE })
      await rename(temporary, join(this.path, CHECKPOINT_NAME))
    } catch {
      // The disk may be full. The next checkpoint may succeed.
      await rm(temporary, { force: true }).catch(() => undefined)
    }
  }
}

function readHeader(path: string, fd: number, firstOffset: number): Pick<SegmentFile, 'header' | 'headerBytes'> {
  const buffer = Buffer.alloc(MAX_HEADER_BYTES)
  const decoded = decodeHeader(buffer.subarray(0, readSync(fd, buffer, 0, buffer.length, 0)))
  if ('problem' in decoded) {
    const found = {
      foreign: 'it is not a journal of lastcall',
      newer: 'a newer version of lastcall wrote it',
      damaged: 'its first line is damaged',
    }[decoded.problem]
    const advice = { foreign: ELSEWHERE, newer: 'Run that version or a newer one.', damaged: RESTORE }[decoded.problem]
    throw unusable(path, found, advice)
  }
  if (decoded.content.firstOffset !== firstOffset) {
    throw unusable(path, `it begins with entry ${decoded.content.firstOffset}: it has been renamed`, RESTORE)
  }
  return { header: decoded.content, headerBytes: decoded.bytes }
}
