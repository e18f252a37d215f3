/**
 * Which entries are kept: the newest ones that all three limits allow.
 */
import { LastcallError } from '../errors.js'
import type { Entry, Retention } from './journal.js'
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

/** @throws {LastcallError} `entry_too_large`: it would be gone as soon as it is there. */
export function expectToFit(bytes: number, { maxBytes }: Retention): void {
  if (bytes <= maxBytes) return
  throw new LastcallError(
    'entry_too_large',
    `an entry of ${bytes} bytes: the journal keeps ${maxBytes} (HISTORY_BYTES)`,
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
