/**
 * Opening a file journal: makes the first segment where there is none, reads all segments once, and refuses what is
 * not whole. What follows can then trust that it is at the end of a journal without gaps.
 */
import { fstatSync } from 'node:fs'
import { setImmediate, setTimeout } from 'node:timers/promises'
import { broken, damaged } from './journal-errors.js'
import { flushFile, type Checkpoint, type SegmentDirectory } from './segment-directory.js'
import { SegmentReader } from './segment-reader.js'
import { newEpoch, newMark } from './segment.js'

/** At the end of the newest segment; nothing before it can be taken back by a power cut. */
export interface Recovered {
  readonly reader: SegmentReader
  /** The file up to here is on the disk. */
  readonly durable: number
}

/** Other processes make and remove segments meanwhile. */
const MAX_ATTEMPTS = 20
/** What stands at the end and can't be a frame may be one soon, should a file system show writes before they are done. */
const MAX_LOOKS = 5
const RETRY_MS = 50

/**
 * @param segmentLimit of the first segment, should there be none yet.
 * @throws {LastcallError} `journal_unusable`, `journal_unavailable`
 */
export async function recover(directory: SegmentDirectory, segmentLimit: number): Promise<Recovered> {
  await directory.prepare()
  await directory.removeStale()
  for (let attempt = 1; ; attempt++) {
    const recovered = await readAll(directory)
    if (recovered) return recovered
    if (attempt === MAX_ATTEMPTS) throw broken(directory.path, 'its segments vanish while they are being read')
    if (directory.list().length > 0) await setTimeout(RETRY_MS)
    else {
      const header = { epoch: newEpoch(), firstOffset: 1, bytesBefore: 0, limit: segmentLimit, mark: newMark() }
      await directory.create(header)
    }
  }
}

/** `undefined`: there are no segments, or one was removed by another process before it was read. */
async function readAll(directory: SegmentDirectory): Promise<Recovered | undefined> {
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
      const durable = await readWhole(reader, isNewest, checkpoint)
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

/** See SegmentDirectory.openBehind. */
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

/** Resolves with how far the file is on the disk. */
async function readWhole(reader: SegmentReader, isNewest: boolean, checkpoint?: Checkpoint): Promise<number> {
  const { file } = reader
  if (checkpoint?.segment === file.header.firstOffset && checkpoint.epoch === file.header.epoch) {
    await readUpTo(reader, checkpoint.position)
    const isThere = reader.position === checkpoint.position && reader.nextOffset === checkpoint.nextOffset
    if (!isThere) throw damaged(file, reader.position, `it went on to entry ${checkpoint.nextOffset - 1} at least`)
  }
  for (let look = 1; ; look++) {
    const { size } = fstatSync(file.fd)
    if (isNewest) await flushFile(file.fd)
    await readUpTo(reader, size)
    if (!reader.isSuspect) return size
    if (look === MAX_LOOKS) throw damaged(file, reader.position, 'what stands there was never written so')
    await setTimeout(RETRY_MS)
  }
}

async function readUpTo(reader: SegmentReader, limit: number): Promise<void> {
  while (reader.read(limit).length > 0) await setImmediate()
}
