/**
 * How many entries an engine keeps so that its readers can fill their windows. Entries that do not count towards
 * HISTORY_SIZE lie between messages.
 */
import type { EngineRetention, Retention } from './journal.js'

/** The number of entries of every kind that an engine keeps for this number of messages. */
export const entryLimit = (maxMessages: number): number => 2 * maxMessages + 10_000

/** The least retention with which an engine lets each reader fill a window of this retention. */
export const engineRetention = ({ maxEntries, maxAgeMs, maxBytes }: Retention): EngineRetention => ({
  maxEntries: entryLimit(maxEntries),
  maxAgeMs,
  maxBytes: 2 * maxBytes,
  maxEntryBytes: maxBytes,
})
