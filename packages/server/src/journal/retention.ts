/**
 * Which entries are kept: the newest ones that all three limits allow.
 */
import { LastcallError } from '../errors.js'
import type { EngineRetention, Entry, Retention } from './journal.js'
import type { SegmentDirectory } from './segment-directory.js'

/** Where the journal ends. */
export interface Head {
  readonly nextOffset: number
  /** What all entries so far took, in bytes. */
  readonly totalBytes: number
  /** Milliseconds since 1970. */
  readonly now: number
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

/** Whether the limit on age allows it. */
export const isFresh = ({ at }: Entry, { now }: Head, { maxAgeMs }: Retention): boolean => at >= now - maxAgeMs

/** Entries that an engine keeps besides twice HISTORY_SIZE: presence, announcements and placeholders between messages. */
const ENTRIES_BETWEEN_MESSAGES = 10_000

/** What an engine keeps so that each of its readers can fill a window of this size. */
export const engineRetention = ({ maxEntries, maxAgeMs, maxBytes }: Retention): EngineRetention => ({
  maxEntries: 2 * maxEntries + ENTRIES_BETWEEN_MESSAGES,
  maxAgeMs,
  maxBytes: 2 * maxBytes,
  maxEntryBytes: maxBytes,
})

/** @throws {LastcallError} `entry_too_large`: the readers' windows would evict it as soon as they have it. */
export function expectToFit(bytes: number, { maxBytes, maxEntryBytes = maxBytes }: EngineRetention): void {
  if (bytes <= maxEntryBytes) return
  throw new LastcallError(
    'entry_too_large',
    `an entry of ${bytes} bytes: the history keeps ${maxEntryBytes} (HISTORY_BYTES)`,
  )
}

/** Removes the segments before the live one of which nothing is kept. Other processes do so, too, with their limits. */
export async function removeExpired(
  directory: SegmentDirectory,
  live: number,
  { nextOffset, totalBytes, now }: Head,
  { maxEntries, maxBytes, maxAgeMs }: Retention,
): Promise<void> {
  for (;;) {
    const [segment, next] = directory.list()
    if (segment === undefined || next === undefined || segment >= live) return
    const bytesBefore = directory.headerOf(next)?.bytesBefore ?? 0
    const writtenAt = (await directory.writtenAt(segment)) ?? 0
    const isExpired =
      next <= nextOffset - maxEntries || totalBytes - bytesBefore >= maxBytes || writtenAt < now - maxAgeMs
    if (!isExpired) return
    await directory.remove(segment)
  }
}
