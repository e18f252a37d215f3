/**
 * What a reader makes of the queue's messages, in their order: entries at their offsets, placeholders, and the places
 * where an epoch begins or entries were trimmed. Pure. Every reader comes to the same result, wherever it starts.
 */
import { decodeEntry } from '../entry-codec.js'
import type { Entry } from '../journal.js'
import { placeholderAt } from '../placeholder.js'
import type { Epoch, LogMessage } from './log-message.js'

export interface LogSink {
  /** What was read before does not count any more; the next entry has `nextOffset`. */
  onEpoch(epoch: Epoch, nextOffset: number): void
  /** The next entry: contiguous within an epoch. */
  onEntry(entry: Entry): void
}

/** The stream spends one offset on each of its segments. */
const SEGMENT_GAP = 1

export class LogReading {
  readonly #sink: LogSink
  #epoch: Epoch = ''
  /** The epoch comes from a marker whose predecessor is not known: of two such markers, the first one counts. */
  #isGuess = false
  #highestEpoch: Epoch = ''
  #nextOffset = -1

  constructor(sink: LogSink) {
    this.#sink = sink
  }

  /** `''`: no message that was read belongs to a journal. */
  get epoch(): Epoch {
    return this.#epoch
  }

  /** The greatest one that was met, in force or not. */
  get highestEpoch(): Epoch {
    return this.#highestEpoch
  }

  get nextOffset(): number {
    return this.#nextOffset
  }

  take(message: LogMessage): void {
    const { offset, epoch } = message
    // The server delivers whole chunks, from the beginning of the one that holds the offset that was asked for.
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
    // More is missing than a segment takes: the server has trimmed entries that this reader has not read.
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
    // Its writer had not read yet that the epoch was over, or something else writes into the queue.
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

/** Bytes that are no entry stand for nothing, for every reader alike: whoever may publish could have written them. */
function entryAt(offset: number, bytes: Buffer): Entry {
  try {
    return decodeEntry(offset, bytes)
  } catch {
    return placeholderAt(offset)
  }
}
