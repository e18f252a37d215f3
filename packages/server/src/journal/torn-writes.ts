/**
 * Distinguishes torn writes from damage. The system has written only a part of a torn write, because the disk was full,
 * the process was killed or the power was cut. Its entries were never acknowledged, so a reader skips it. All other
 * bytes that differ from what was written are damage: a reader that skipped them could lose an acknowledged entry
 * without a report. Pure.
 */
import { HEADER_BYTES, parseFrame } from './segment.js'

/** The unit in which a disk writes. After a power cut, a complete unit may be unwritten and read as zeros. */
const SECTOR_BYTES = 512
/** A shorter run of zeros proves nothing. */
const MIN_HOLE_BYTES = 8

/** Bytes of a segment that are no complete frame. */
interface Region {
  readonly bytes: Buffer
  /** The position of `bytes` in the file. */
  readonly position: number
  readonly mark: Buffer
}

/**
 * Whether bytes that are no complete frame consist of torn writes only: one, or several in a row, each cut at any
 * place. Two of them can look like one complete frame with a wrong checksum: a frame of 1,000 bytes is cut after 100,
 * and the next writer's frame supplies more than the missing 900.
 *
 * Each write begins with the mark, which occurs nowhere else. So the marks divide the region into parts, and each part
 * must be shorter than the frame that its header announces. The cut may also leave only a few bytes of a mark.
 *
 * @param position The position of the bytes in the file.
 */
export function isTorn(bytes: Buffer, position: number, mark: Buffer): boolean {
  const region: Region = { bytes, position, mark }
  const first = nextMark(region, 0)
  if (first > 0 && !isTornBeforeFirstMark(region, first)) return false
  for (let start = first, end; start < bytes.length; start = end) {
    end = nextMark(region, start + mark.length)
    if (!isTornPart(region, start, end)) return false
  }
  return true
}

/** The position of the next complete mark, or the end of the region. */
function nextMark({ bytes, mark }: Region, from: number): number {
  const at = bytes.indexOf(mark, from)
  return at < 0 ? bytes.length : at
}

/**
 * Checks the bytes before the first mark: they are beginnings of marks, or a write whose first sector a power cut left
 * unwritten.
 */
function isTornBeforeFirstMark(region: Region, end: number): boolean {
  return isCutMarks(region, (from) => from === 0, end) || hasHole(region, 0, 1)
}

/** Checks a part that begins with a mark and ends before the next one. */
function isTornPart(region: Region, start: number, end: number): boolean {
  const { bytes, mark } = region
  const parsed = parseFrame(bytes.subarray(start, end), 0, mark)
  if (parsed.kind === 'frame') return false
  // The part is shorter than its header announces, so the write was cut.
  if (parsed.kind === 'partial') return true
  const announced = parseFrame(bytes.subarray(start, start + HEADER_BYTES), 0, mark)
  if (announced.kind === 'invalid') {
    const isCutInHeader = isCutMarks(region, (from) => from > start && from < start + HEADER_BYTES, end)
    return isCutInHeader || hasHole(region, start, start + HEADER_BYTES)
  }
  const frameEnd = announced.kind === 'frame' ? announced.end : start + announced.bytes
  if (isCutMarks(region, (from) => from > start && from < frameEnd, end)) return true
  if (!hasHole(region, start, frameEnd)) return false
  return frameEnd === end || isCutMarks(region, (from) => from === frameEnd, end) || hasHole(region, frameEnd, end)
}

/** Whether the bytes before `end` are beginnings of marks in a row, from a place on where a cut is possible. */
function isCutMarks({ bytes, mark }: Region, mayBegin: (from: number) => boolean, end: number): boolean {
  const reached = new Set([end])
  // The iteration of a set includes values that are added meanwhile.
  for (const to of reached) {
    for (let count = 1; count < mark.length && count <= to; count++) {
      if (bytes.compare(mark, 0, count, to - count, to) !== 0) continue
      if (mayBegin(to - count)) return true
      reached.add(to - count)
    }
  }
  return false
}

/**
 * Whether a run of zeros that fills a sector, or fills the region's part of a sector, begins between these positions.
 */
function hasHole({ bytes, position }: Region, from: number, to: number): boolean {
  for (let start = from; start < to;) {
    const end = Math.min(bytes.length, start + SECTOR_BYTES - ((position + start) % SECTOR_BYTES))
    if (end - start >= MIN_HOLE_BYTES && bytes.subarray(start, end).every((byte) => byte === 0)) return true
    start = end
  }
  return false
}
