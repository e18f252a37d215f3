/**
 * Opens a file journal: creates the first segment if there is none, reads all segments once, and rejects a journal with
 * damage or gaps. The reader at its end can then rely on a complete journal.
 */
import { fstatSync } from 'node:fs'
import { nextTurn, pause, type Clock } from '../clock.js'
import { broken, damaged } from './journal-errors.js'
import type { Randomness } from '../randomness.js'
import { flushFile, type Checkpoint, type SegmentDirectory } from './segment-directory.js'
import { SegmentReader } from './segment-reader.js'
import { newEpoch, newMark } from './segment.js'

/** The reader at the end of the newest segment. A power cut can take nothing before that position back. */
export interface Recovered {
  readonly reader: SegmentReader
  /** The bytes of the file up to this position are on the disk. */
  readonly durable: number
}

export interface RecoveryContext {
  readonly clock: Clock
  readonly randomness: Pick<Randomness, 'bytes'>
}

/** The place of the first segment of a new journal. */
const FIRST = { firstOffset: 1, bytesBefore: 0 } as const

/** The number of attempts. Each can fail, because other processes create and remove segments meanwhile. */
const MAX_ATTEMPTS = 20
/** How many times the end is read again if it is no frame. Some file systems show a write before it is complete. */
const MAX_LOOKS = 5
const RETRY_MS = 50

/**
 * @param segmentLimit The limit of the first segment, if there is none yet.
 * @throws {LastcallError} `journal_unusable`, `journal_unavailable`
 */
export async function recover(
  directory: SegmentDirectory,
  segmentLimit: number,
  { clock, randomness }: RecoveryContext,
): Promise<Recovered> {
  await directory.prepare()
  await directory.removeStale()
  for (let attempt = 1; ; attempt++) {
    const recovered = await readAll(directory, clock)
    if (recovered) return recovered
    if (attempt === MAX_ATTEMPTS) throw broken(directory.path, 'its segments vanish while they are being read')
    if (directory.list().length > 0) await pause(clock, RETRY_MS)
    else {
      const header = { ...FIRST, epoch: newEpoch(randomness), limit: segmentLimit, mark: newMark(randomness) }
      await directory.create(header)
    }
  }
}

/** `undefined`: there are no segments, or another process removed one before it was read. */
async function readAll(directory: SegmentDirectory, clock: Clock): Promise<Recovered | undefined> {
  const checkpoint = await directory.readCheckpoint()
  const firstOffsets = directory.list()
  let before: SegmentReader | undefined
  for (const firstOffset of firstOffsets) {
    const file = directory.open(firstOffset)
    if (!file) return undefined
    const reader = new SegmentReader(file)
    try {
      if (before) expectToFollow(before, reader)
      const isNewest = firstOffset === firstOffsets.at(-1)
      const durable = await readWhole(reader, clock, isNewest ? 'newest' : 'older', checkpoint)
      if (isNewest) return { reader, durable }
      before = isLeftover(reader) ? before : reader
    } catch (error) {
      directory.close(file.fd)
      throw error
    }
    directory.close(file.fd)
  }
  return undefined
}

/** Whether the segment is a leftover (see SegmentDirectory.openBehind). */
const isLeftover = ({ file }: SegmentReader): boolean => fstatSync(file.fd).size === file.headerBytes

function expectToFollow(before: SegmentReader, next: SegmentReader): void {
  const { header, path } = next.file
  if (header.epoch !== before.file.header.epoch) {
    throw broken(path, `it belongs to another journal than ${before.file.path}`)
  }
  if (header.firstOffset === before.nextOffset && header.bytesBefore === before.totalBytes) return
  const found = `it ends with entry ${before.nextOffset - 1}, the next segment begins with ${header.firstOffset}`
  throw damaged(before.file, before.position, found)
}

/** Resolves with the position up to which the file is on the disk. */
async function readWhole(
  reader: SegmentReader,
  clock: Clock,
  age: 'newest' | 'older',
  checkpoint?: Checkpoint,
): Promise<number> {
  const { file } = reader
  if (checkpoint?.segment === file.header.firstOffset && checkpoint.epoch === file.header.epoch) {
    await readUpTo(reader, checkpoint.position, clock)
    const isThere = reader.position === checkpoint.position && reader.nextOffset === checkpoint.nextOffset
    if (!isThere) throw damaged(file, reader.position, `it went on to entry ${checkpoint.nextOffset - 1} at least`)
  }
  for (let look = 1; ; look++) {
    const { size } = fstatSync(file.fd)
    if (age === 'newest') await flushFile(file.fd)
    await readUpTo(reader, size, clock)
    if (!reader.isSuspect) return size
    if (look === MAX_LOOKS) throw damaged(file, reader.position, 'no write of the journal left these bytes')
    await pause(clock, RETRY_MS)
  }
}

async function readUpTo(reader: SegmentReader, limit: number, clock: Clock): Promise<void> {
  while (reader.read(limit).length > 0) await nextTurn(clock)
}
