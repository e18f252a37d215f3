/**
 * How much is kept so that readers can fill their windows: entries of other kinds lie between the messages that count.
 */
import type { EngineRetention, Retention } from './journal.js'

/** How many entries of every kind are kept for so many messages. */
export const entryLimit = (maxMessages: number): number => 2 * maxMessages + 10_000

/** What an engine keeps, at least, so that each of its readers can fill a window with this retention. */
export const engineRetention = ({ maxEntries, maxAgeMs, maxBytes }: Retention): EngineRetention => ({
  maxEntries: entryLimit(maxEntries),
  maxAgeMs,
  maxBytes: 2 * maxBytes,
  maxEntryBytes: maxBytes,
})
