/**
 * Which entries are retained: the newest ones that all three limits allow. On the disk, these are complete segments.
 */
import { LastcallError } from '../errors.js'
import type { EngineRetention, Entry, Retention } from './journal.js'
import { frameBytes } from './segment.js'

/** The end of the journal. */
export interface Head {
  readonly nextOffset: number
  /** The bytes of all entries so far. */
  readonly totalBytes: number
}

/**
 * Whether the limits on number and size allow an entry.
 *
 * @param bytesBefore The bytes of all entries before it.
 */
export const isWithin = (
  offset: number,
  bytesBefore: number,
  { nextOffset, totalBytes }: Head,
  { maxEntries, maxBytes }: Retention,
): boolean => offset >= nextOffset - maxEntries && totalBytes - bytesBefore <= maxBytes

/**
 * Whether the limit on age allows an entry that an earlier process has written, of which only its own time is known.
 *
 * @param now Milliseconds since 1970.
 */
export const isFresh = ({ at }: Entry, now: number, { maxAgeMs }: Retention): boolean => at >= now - maxAgeMs

/** @throws {LastcallError} `entry_too_large`: the readers' windows would evict the entry at once. */
export function expectToFit(bytes: number, { maxBytes, maxEntryBytes = maxBytes }: EngineRetention): void {
  if (bytes <= maxEntryBytes) return
  throw new LastcallError(
    'entry_too_large',
    `an entry of ${bytes} bytes: the history keeps ${maxEntryBytes} (HISTORY_BYTES)`,
  )
}

const MIN_SEGMENT_BYTES = 256 * 1024
const MAX_SEGMENT_BYTES = 16 * 1024 * 1024

/**
 * The size at which a segment ends, in bytes. The journal frees disk space in complete segments, so a segment has an
 * eighth of what is retained.
 */
export const segmentLimit = ({ maxBytes }: Retention): number =>
  Math.ceil(Math.min(MAX_SEGMENT_BYTES, Math.max(MIN_SEGMENT_BYTES, maxBytes / 8)))

/** The facts about a segment that need no reading of its entries. */
export interface SegmentFacts {
  readonly firstOffset: number
  /** The bytes of all entries before it. */
  readonly bytesBefore: number
  /** The size of the file, and of its first line. */
  readonly fileBytes: number
  readonly headerBytes: number
  /** How long nothing has been written to it. */
  readonly ageMs: number
}

/** The overhead of an entry that was written alone. */
const MAX_ENTRY_OVERHEAD_BYTES = frameBytes(1, 0)

/**
 * The bytes of a segment that count towards HISTORY_BYTES: those of its entries, and those of torn writes. Without the
 * latter, a disk with room for only a part of a write could fill up with torn writes.
 */
function countedBytes(segment: SegmentFacts, next: Pick<SegmentFacts, 'firstOffset' | 'bytesBefore'>): number {
  const entryBytes = next.bytesBefore - segment.bytesBefore
  const overheadBytes = (next.firstOffset - segment.firstOffset) * MAX_ENTRY_OVERHEAD_BYTES
  const tornBytes = segment.fileBytes - segment.headerBytes - entryBytes - overheadBytes
  return entryBytes + Math.max(0, tornBytes)
}

/**
 * The number of the oldest segments that are no longer retained. The newest segment always stays, because the journal
 * writes to it.
 *
 * @param segments All segments, the oldest first.
 */
export function countExpired(
  segments: readonly SegmentFacts[],
  head: Head,
  { maxEntries, maxBytes, maxAgeMs }: Retention,
): number {
  const end = { firstOffset: head.nextOffset, bytesBefore: head.totalBytes }
  let bytesBehind = 0
  for (let index = segments.length - 1; index > 0; index--) {
    const [segment, before] = [segments[index], segments[index - 1]] as [SegmentFacts, SegmentFacts]
    bytesBehind += countedBytes(segment, segments[index + 1] ?? end)
    const isExpired =
      segment.firstOffset <= head.nextOffset - maxEntries || bytesBehind >= maxBytes || before.ageMs > maxAgeMs
    if (isExpired) return index
  }
  return 0
}
