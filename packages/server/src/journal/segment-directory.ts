/**
 * The directory of a file journal: which segments there are, making and removing them, and saying clearly why it can't
 * be used. Nothing in it is ever overwritten.
 */
import { randomBytes } from 'node:crypto'
import { closeSync, constants, fstatSync, openSync, readdirSync, readSync } from 'node:fs'
import { access, link, mkdir, open, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { LastcallError } from '../errors.js'
import { decodeHeader, decodeLine, encodeHeader, encodeLine, MAX_HEADER_BYTES, type SegmentHeader } from './segment.js'

/** An open segment. */
export interface SegmentFile {
  readonly path: string
  readonly fd: number
  readonly header: SegmentHeader
  /** The frames begin behind the header. */
  readonly headerBytes: number
}

/**
 * Where a reader once was: a file that ends before, or counts otherwise, has lost something since. Notes of the past
 * stay true, so any process may write it at any time, and it may be missing.
 */
export interface Checkpoint {
  readonly epoch: string
  /** The segment's first offset. */
  readonly segment: number
  readonly position: number
  readonly nextOffset: number
}

/**
 * Elsewhere a write must be followed by fdatasync: Windows has no such flag, and on macOS it does not reach the disk.
 */
export const WRITES_ARE_DURABLE = process.platform === 'linux'

const OPEN_FLAGS = constants.O_RDWR | constants.O_APPEND | (WRITES_ARE_DURABLE ? constants.O_DSYNC : 0)

/** It holds what people said to each other. */
const FILE_MODE = 0o600

const SEGMENT_NAME = /^(\d{16})\.log$/
const CHECKPOINT_NAME = 'checkpoint'
const CHECKPOINT_TITLE = 'lastcall-checkpoint'
const TEMPORARY_NAME = /^[0-9a-f]{16}\.tmp$/
/** What else an empty directory may hold. */
const HARMLESS_NAMES = /^\.|^lost\+found$|^checkpoint$|^[0-9a-f]{16}\.tmp$/
/** What a file system says that knows no hard links. */
const NO_LINKS: ReadonlySet<string> = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'])
const STALE_MS = 60_000

const segmentName = (firstOffset: number): string => `${String(firstOffset).padStart(16, '0')}.log`
const temporaryName = (): string => `${randomBytes(8).toString('hex')}.tmp`

export class SegmentDirectory {
  readonly path: string

  constructor(path: string) {
    this.path = path
  }

  /**
   * Makes the directory if there is none, and looks whether it can be a journal's.
   *
   * @throws {LastcallError} `journal_unusable`
   */
  async prepare(): Promise<void> {
    try {
      await mkdir(this.path, { recursive: true })
      await access(this.path, constants.R_OK | constants.W_OK | constants.X_OK)
    } catch (error) {
      throw explain(this.path, error)
    }
    const names = await readdir(this.path)
    if (names.some((name) => SEGMENT_NAME.test(name))) return
    const others = names.filter((name) => !HARMLESS_NAMES.test(name))
    if (others.length === 0) return
    const found = `it holds other things (${others.slice(0, 3).join(', ')}${others.length > 3 ? ', …' : ''})`
    throw unusable(this.path, found, 'Give the journal a directory of its own.')
  }

  /** The first offsets of the segments, oldest first. */
  list(): number[] {
    return readdirSync(this.path)
      .map((name) => Number(SEGMENT_NAME.exec(name)?.[1] ?? Number.NaN))
      .filter((firstOffset) => !Number.isNaN(firstOffset))
      .sort((a, b) => a - b)
  }

  /**
   * Opens a segment; `undefined` when there is none (any more).
   *
   * @throws {LastcallError} `journal_unusable`: it is something else, or damaged, or not to be opened.
   */
  open(firstOffset: number): SegmentFile | undefined {
    const path = join(this.path, segmentName(firstOffset))
    let fd
    try {
      fd = openSync(path, OPEN_FLAGS)
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return undefined
      throw explain(path, error)
    }
    try {
      return { path, fd, ...readHeader(path, fd, firstOffset) }
    } catch (error) {
      closeSync(fd)
      throw explain(path, error)
    }
  }

  /**
   * Opens the segment behind this one; `undefined` when there is none. One that is not full though others follow it is a
   * leftover: a process that slept while the others moved on, and removed what they had behind them, has made it anew.
   */
  openBehind(firstOffset: number): SegmentFile | undefined {
    const newer = this.list().filter((candidate) => candidate > firstOffset)
    for (const candidate of newer) {
      const file = this.open(candidate)
      if (!file) return this.openBehind(firstOffset)
      if (candidate === newer.at(-1) || fstatSync(file.fd).size >= file.header.limit) return file
      closeSync(file.fd)
    }
    return undefined
  }

  /** What a segment says about itself; `undefined` when there is none (any more). */
  headerOf(firstOffset: number): SegmentHeader | undefined {
    const file = this.open(firstOffset)
    if (file) closeSync(file.fd)
    return file?.header
  }

  /** Makes a segment, unless another process has. It is on the disk, with its name, when this resolves. */
  async create(header: SegmentHeader): Promise<void> {
    const temporary = join(this.path, temporaryName())
    try {
      await writeFile(temporary, encodeHeader(header), { flag: 'wx', mode: FILE_MODE, flush: true })
      // Unlike a rename, a link does not replace what is there: of several processes one wins.
      await link(temporary, join(this.path, segmentName(header.firstOffset))).catch((error: unknown) => {
        const code = String(codeOf(error))
        if (code === 'EEXIST') return
        if (!NO_LINKS.has(code)) throw error
        throw unusable(this.path, `its file system makes no hard links (${code})`, 'Put it on a local disk.', error)
      })
      await this.#flush()
    } catch (error) {
      throw explain(this.path, error)
    } finally {
      await rm(temporary, { force: true }).catch(() => undefined)
    }
  }

  async #flush(): Promise<void> {
    if (process.platform === 'win32') return
    const directory = await open(this.path, 'r')
    try {
      await directory.sync()
    } finally {
      await directory.close()
    }
  }

  async remove(firstOffset: number): Promise<void> {
    await rm(join(this.path, segmentName(firstOffset)), { force: true })
  }

  /** When a segment was last written: milliseconds since 1970; `undefined` when there is none (any more). */
  async writtenAt(firstOffset: number): Promise<number | undefined> {
    return (await stat(join(this.path, segmentName(firstOffset))).catch(() => undefined))?.mtimeMs
  }

  /** Removes what a process left behind that was killed while it was making a file. */
  async removeStale(): Promise<void> {
    for (const name of await readdir(this.path)) {
      if (!TEMPORARY_NAME.test(name)) continue
      const path = join(this.path, name)
      const { mtimeMs = Date.now() } = (await stat(path).catch(() => undefined)) ?? {}
      if (Date.now() - mtimeMs > STALE_MS) await rm(path, { force: true })
    }
  }

  /** `undefined` when there is none, or none that can be read: it only helps to notice what is missing. */
  async readCheckpoint(): Promise<Checkpoint | undefined> {
    const bytes = await readFile(join(this.path, CHECKPOINT_NAME)).catch(() => undefined)
    const decoded = bytes && decodeLine<Checkpoint>(CHECKPOINT_TITLE, bytes)
    return decoded && 'content' in decoded ? decoded.content : undefined
  }

  async writeCheckpoint(checkpoint: Checkpoint): Promise<void> {
    const temporary = join(this.path, temporaryName())
    try {
      await writeFile(temporary, encodeLine(CHECKPOINT_TITLE, checkpoint), { flag: 'wx', mode: FILE_MODE })
      await rename(temporary, join(this.path, CHECKPOINT_NAME))
    } catch {
      // A full disk: the next one will do.
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

const ELSEWHERE = 'Name another directory in JOURNAL_URL.'
const RESTORE = 'Restore the directory from a backup, or move it away: the server then begins an empty journal.'

const codeOf = (error: unknown): unknown => (error instanceof Error && 'code' in error ? error.code : undefined)

function unusable(path: string, found: string, advice: string, cause?: unknown): LastcallError {
  return new LastcallError('journal_unusable', `cannot use the journal ${path}: ${found}. ${advice}`, { cause })
}

/** @param position in the file: the bytes there are not what was written. */
export function damaged(file: Pick<SegmentFile, 'path'>, position: number, found: string): LastcallError {
  return unusable(file.path, `it is damaged at byte ${position}: ${found}`, RESTORE)
}

/** Something about it can't be, or is no longer there. */
export function broken(path: string, found: string, cause?: unknown): LastcallError {
  return unusable(path, found, RESTORE, cause)
}

/** Turns what the system says into what a person can act upon. */
export function explain(path: string, error: unknown): LastcallError {
  if (error instanceof LastcallError) return error
  const code = codeOf(error)
  switch (code) {
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return unusable(path, `no permission (${code})`, 'The server must be able to read and write it.', error)
    case 'ENOTDIR':
    case 'EEXIST':
    case 'EISDIR':
      return unusable(path, 'a journal is a directory of files, and this is something else', ELSEWHERE, error)
    default: {
      const why = error instanceof Error ? error.message : String(error)
      return new LastcallError(
        'journal_unavailable',
        `the journal ${path} cannot be read or written just now: ${why}`,
        {
          temporary: true,
          cause: error,
        },
      )
    }
  }
}
