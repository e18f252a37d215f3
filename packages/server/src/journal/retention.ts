/**
 * Which entries are kept: the newest ones that all three limits allow. On the disk that means whole segments.
 */
import { LastcallError } from '../errors.js'
import type { EngineRetention, Entry, Retention } from './journal.js'
import { frameBytes } from './segment.js'

/** Where the journal ends. */
export interface Head {
  readonly nextOffset: number
  /** What all entries so far took, in bytes. */
  readonly totalBytes: number
}

/**
 * Whether the limits on number and size allow an entry.
 *
 * @param bytesBefore what all entries before it took.
 */
export const isWithin = (
  offset: number,
  bytesBefore: number,
  { nextOffset, totalBytes }: Head,
  { maxEntries, maxBytes }: Retention,
): boolean => offset >= nextOffset - maxEntries && totalBytes - bytesBefore <= maxBytes

/**
 * Whether the limit on age allows an entry that an earlier process has written: only its own time is known of it.
 *
 * @param now milliseconds since 1970.
 */
export const isFresh = ({ at }: Entry, now: number, { maxAgeMs }: Retention): boolean => at >= now - maxAgeMs

/** @throws {LastcallError} `entry_too_large`: the readers' windows would evict it as soon as they have it. */
export function expectToFit(bytes: number, { maxBytes, maxEntryBytes = maxBytes }: EngineRetention): void {
  if (bytes <= maxEntryBytes) return
  throw new LastcallError(
    'entry_too_large',
    `an entry of ${bytes} bytes: the history keeps ${maxEntryBytes} (HISTORY_BYTES)`,
  )
}

const MIN_SEGMENT_BYTES = 256 * 1024
const MAX_SEGMENT_BYTES = 16 * 1024 * 1024

/** How long a segment becomes, in bytes. The disk is given back in whole segments: an eighth of what is kept. */
export const segmentLimit = ({ maxBytes }: Retention): number =>
  Math.ceil(Math.min(MAX_SEGMENT_BYTES, Math.max(MIN_SEGMENT_BYTES, maxBytes / 8)))

/** What is known of a segment without reading it. */
export interface SegmentFacts {
  readonly firstOffset: number
  /** What all entries before it took, in bytes. */
  readonly bytesBefore: number
  /** Of the file, and of its first line. */
  readonly fileBytes: number
  readonly headerBytes: number
  /** For how long nothing has been written to it. */
  readonly ageMs: number
}

/** What an entry that was written alone takes beside its own bytes. */
const MAX_ENTRY_OVERHEAD_BYTES = frameBytes(1, 0)

/**
 * What a segment counts for HISTORY_BYTES: its entries, and the bytes in it that belong to no entry, because a write was
 * torn. Without those a disk on which there is, again and again, room for a part of a write would fill up with them.
 */
function countedBytes(segment: SegmentFacts, next: Pick<SegmentFacts, 'firstOffset' | 'bytesBefore'>): number {
  const entryBytes = next.bytesBefore - segment.bytesBefore
  const overheadBytes = (next.firstOffset - segment.firstOffset) * MAX_ENTRY_OVERHEAD_BYTES
  const tornBytes = segment.fileBytes - segment.headerBytes - entryBytes - overheadBytes
  return entryBytes + Math.max(0, tornBytes)
}

/**
 * How many of the oldest segments the journal no longer keeps. The last one is being written: it stays.
 *
 * @param segments all of them, oldest first.
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
