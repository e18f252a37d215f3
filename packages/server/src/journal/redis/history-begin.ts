/**
 * Finds where a new reader of a stream begins: the oldest entry that is retained by number, size and age. It reads the
 * stream backwards in parts and keeps none of them, so its memory does not grow with the retention.
 */
import { setImmediate } from 'node:timers/promises'
import { decodeEntry } from '../entry-codec.js'
import type { Retention } from '../journal.js'
import { isFresh } from '../retention.js'
import type { ByteBudget } from './byte-budget.js'
import type { OwnPlace, StreamPlace } from './log-matching.js'
import type { RedisStream, StoredEntry } from './redis-stream.js'

/**
 * The greatest number of entries per part. The first part has one entry and each further part more, so that large
 * entries do not arrive by the hundred.
 */
const MAX_COUNT = 500
const PIECE_BYTES = 1024 * 1024

export interface Begin {
  /** The reader's place before its first entry. */
  readonly own: OwnPlace
  /** The sizes of the entries from the first one to `head`, in this order, for the budget of bytes. */
  readonly sizes: readonly number[]
}

/** @param now Milliseconds since 1970. */
export async function historyBegin(
  stream: RedisStream,
  head: StreamPlace,
  retention: Retention,
  now: number,
): Promise<Begin> {
  const sizes: number[] = []
  let newest: Buffer | undefined
  let totalBytes = 0
  let next = head.offset
  for (let count = 1; next > 0;) {
    const entries = await stream.backwards({ epoch: head.epoch, offset: next }, count)
    newest ??= entries[0]?.offset === head.offset ? entries[0].bytes : undefined
    const kept = entries.slice(0, retainedCount(entries, { retention, now, count: sizes.length, bytes: totalBytes }))
    for (const { bytes } of kept) {
      sizes.push(bytes?.length ?? 0)
      totalBytes += bytes?.length ?? 0
    }
    next -= kept.length
    if (kept.length < count) break
    count = nextCount(totalBytes / sizes.length)
    await setImmediate()
  }
  const own = { epoch: head.epoch, offset: next, bytes: next === head.offset ? copyOf(newest) : undefined }
  return { own, sizes: sizes.reverse() }
}

interface SoFar {
  readonly retention: Retention
  readonly now: number
  readonly count: number
  readonly bytes: number
}

/** The number of these entries that are retained, the newest first. */
function retainedCount(entries: readonly StoredEntry[], { retention, now, count, bytes }: SoFar): number {
  let total = bytes
  const end = entries.findIndex((entry, index) => {
    total += entry.bytes?.length ?? 0
    return count + index >= retention.maxEntries || total > retention.maxBytes
  })
  const within = end < 0 ? entries.length : end
  const fresh = (entry: StoredEntry | undefined): boolean => entry !== undefined && isYoung(entry, retention, now)
  if (fresh(entries[within - 1])) return within
  // The clocks of instances differ, so entries are not quite in the order of their times. All entries after the oldest
  // young one are retained.
  return entries.slice(0, within).findLastIndex(fresh) + 1
}

function isYoung({ offset, bytes }: StoredEntry, retention: Retention, now: number): boolean {
  if (!bytes) return false
  try {
    return isFresh(decodeEntry(offset, bytes), now, retention)
  } catch {
    return false
  }
}

export const nextCount = (averageBytes: number): number =>
  Math.max(1, Math.min(MAX_COUNT, Math.floor(PIECE_BYTES / Math.max(1, averageBytes))))

/** A value of a reply is a part of a larger buffer. A copy lets the garbage collector free that buffer. */
export const copyOf = (bytes: Buffer | undefined): Buffer | undefined => bytes && Buffer.from(bytes)

/** Adds the entries that are in the stream already to the budget. */
export function countHistory(budget: ByteBudget, { own, sizes }: Begin): void {
  sizes.forEach((bytes, index) => budget.count(own.epoch, own.offset + index + 1, bytes))
}
