/**
 * Reads a file journal from its oldest retained entry up to the position of the live reader, in parts, so that the
 * event loop is never blocked for long. When other processes remove segments before they are read, it continues after
 * them and reports a new beginning.
 */
import { fstatSync } from 'node:fs'
import { nextTurn, type Clock } from '../clock.js'
import type { Entry, JournalListener, Retention } from './journal.js'
import { broken } from './journal-errors.js'
import { isFresh, isWithin } from './retention.js'
import type { SegmentDirectory, SegmentFile } from './segment-directory.js'
import { entriesOf, SegmentReader, type PlacedFrame } from './segment-reader.js'

export interface HistoryOptions {
  readonly directory: SegmentDirectory
  readonly retention: Retention
  readonly clock: Clock
  /** The reader at the end of the journal. It moves on meanwhile. */
  readonly live: () => SegmentReader
  readonly isStopped: () => boolean
  /**
   * The listener has received everything before the live reader's next entry. Further entries come from the live
   * reader.
   */
  readonly onCaughtUp: () => void
}

/** Resolves when it has caught up with the live reader, or was stopped. */
export async function readHistory(options: HistoryOptions, listener: JournalListener): Promise<void> {
  const { directory, live, isStopped, onCaughtUp, clock } = options
  const { epoch } = live().file.header
  let hasBegun = false
  let reader = openBehind(directory, 0)
  try {
    while (!isStopped()) {
      const frames = reader.read(readableBytes(reader, live()))
      const entries = hasBegun ? entriesOf(reader.file, frames) : keptEntries(reader.file, frames, options)
      if (entries[0]) {
        if (!hasBegun) listener.onEpoch(epoch, entries[0].offset)
        hasBegun = true
        listener.onBatch(entries)
      }
      if (frames.length === 0) {
        if (reader.nextOffset === live().nextOffset) {
          if (!hasBegun) listener.onEpoch(epoch, reader.nextOffset)
          onCaughtUp()
          return
        }
        const next = openBehind(directory, reader.file.header.firstOffset)
        if (hasBegun && next.nextOffset !== reader.nextOffset) listener.onEpoch(epoch, next.nextOffset)
        directory.close(reader.file.fd)
        reader = next
      }
      await nextTurn(clock)
    }
  } finally {
    directory.close(reader.file.fd)
  }
}

/** The entries from the oldest retained one on. */
function keptEntries(file: SegmentFile, frames: readonly PlacedFrame[], options: HistoryOptions): Entry[] {
  const { retention, clock, live } = options
  const head = live()
  const entries = entriesOf(file, frames, (offset, before) => !isWithin(offset, before, head, retention))
  const first = entries.findIndex((entry) => isFresh(entry, clock.now(), retention))
  return first < 0 ? [] : entries.slice(first)
}

/**
 * How far the reader may read: in the segment of the live reader up to the position of that reader, and in an older
 * segment to its end.
 */
function readableBytes(reader: SegmentReader, live: SegmentReader): number {
  const isLive = reader.file.header.firstOffset === live.file.header.firstOffset
  return isLive ? live.position : fstatSync(reader.file.fd).size
}

function openBehind(directory: SegmentDirectory, firstOffset: number): SegmentReader {
  const file = directory.openBehind(firstOffset)
  if (!file) throw broken(directory.path, 'its segments have been removed')
  return new SegmentReader(file)
}
