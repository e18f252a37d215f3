/**
 * Interprets the queue's messages in their order: entries at their offsets, placeholders, and the places where an epoch
 * begins or entries were trimmed. Pure. Every reader comes to the same result, wherever it starts.
 */
import { decodeEntry } from '../entry-codec.js'
import type { Entry } from '../journal.js'
import { placeholderAt } from '../placeholder.js'
import type { Epoch, LogMessage } from './log-message.js'

export interface LogSink {
  /** Everything that was read before is void. The next entry has `nextOffset`. */
  onEpoch(epoch: Epoch, nextOffset: number): void
  /** The next entry. Offsets are contiguous within an epoch. */
  onEntry(entry: Entry): void
}

/** The number of offsets that the stream spends on each of its segments. */
const SEGMENT_GAP = 1

export class LogReading {
  readonly #sink: LogSink
  #epoch: Epoch = ''
  /** The epoch comes from a marker whose predecessor is unknown. Of two such markers, the first one counts. */
  #isGuess = false
  #highestEpoch: Epoch = ''
  #nextOffset = -1

  constructor(sink: LogSink) {
    this.#sink = sink
  }

  /** `''`: no message so far belongs to a journal. */
  get epoch(): Epoch {
    return this.#epoch
  }

  /** The greatest epoch in any message so far, whether it counts or not. */
  get highestEpoch(): Epoch {
    return this.#highestEpoch
  }

  get nextOffset(): number {
    return this.#nextOffset
  }

  take(message: LogMessage): void {
    const { offset, epoch } = message
    // The server delivers complete chunks, from the beginning of the chunk that contains the requested offset.
    if (offset < this.#nextOffset) return
    if (epoch > this.#highestEpoch) this.#highestEpoch = epoch
    this.#passGap(offset)
    this.#nextOffset = offset + 1
    if (message.supersedes === undefined) this.#takeEntry(message)
    else this.#takeMarker(epoch, message.supersedes, offset)
  }

  #passGap(offset: number): void {
    if (this.#nextOffset < 0 || offset === this.#nextOffset || this.#epoch === '') return
    if (offset - this.#nextOffset === SEGMENT_GAP) this.#sink.onEntry(placeholderAt(this.#nextOffset))
    // The gap is larger than that of a segment, so the server has trimmed entries that this reader has not read.
    else this.#sink.onEpoch(this.#epoch, offset)
  }

  #takeEntry({ offset, epoch, bytes }: LogMessage): void {
    const isLater = epoch > this.#epoch || (this.#isGuess && epoch !== '')
    if (isLater && epoch !== this.#epoch) {
      this.#epoch = epoch
      this.#sink.onEpoch(epoch, offset)
    }
    if (this.#epoch === '') return
    if (epoch === this.#epoch) this.#isGuess = false
    // The writer had not yet read that the epoch has ended, or another program writes to the queue.
    this.#sink.onEntry(epoch === this.#epoch ? entryAt(offset, bytes) : placeholderAt(offset))
  }

  #takeMarker(epoch: Epoch, supersedes: Epoch, offset: number): void {
    const isFirst = offset === 0 && supersedes === ''
    const isGuess = this.#epoch === '' && !isFirst
    if (isFirst || isGuess || (supersedes !== '' && supersedes === this.#epoch)) {
      this.#epoch = epoch
      this.#isGuess = isGuess
      this.#sink.onEpoch(epoch, offset + 1)
    } else this.#sink.onEntry(placeholderAt(offset))
  }
}

/**
 * The entry in these bytes. Bytes that are no entry become a placeholder for every reader alike, because any program
 * with the permission to publish may have written them.
 */
function entryAt(offset: number, bytes: Buffer): Entry {
  try {
    return decodeEntry(offset, bytes)
  } catch {
    return placeholderAt(offset)
  }
}
