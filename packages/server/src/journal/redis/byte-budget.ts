/**
 * Decides how far a stream must be trimmed so that its entries take at most a number of bytes. Redis itself counts
 * entries only. Pure.
 */
import type { StreamPlace } from './log-matching.js'

/** The number of entries per mark. Redis trims complete nodes of the stream, which hold about as many. */
const ENTRIES_PER_MARK = 100

interface Mark {
  readonly offset: number
  /** The bytes of the entries before it. */
  readonly bytesBefore: number
}

export class ByteBudget {
  readonly #maxBytes: number
  #marks: Mark[] = []
  #epoch = ''
  #nextOffset = 0
  #bytes = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** Counts an entry of the stream, in the stream's order. An entry that was counted before does not count again. */
  count(epoch: string, offset: number, bytes: number): void {
    if (epoch !== this.#epoch) this.#restart(epoch)
    if (offset < this.#nextOffset) return
    const isMark = this.#marks.length === 0 || offset % ENTRIES_PER_MARK === 0
    if (isMark) this.#marks.push({ offset, bytesBefore: this.#bytes })
    this.#nextOffset = offset + 1
    this.#bytes += bytes
  }

  #restart(epoch: string): void {
    this.#epoch = epoch
    this.#marks = []
    this.#nextOffset = 0
    this.#bytes = 0
  }

  /**
   * The place before which the stream must be trimmed. A second call returns `undefined` until more entries have been
   * counted.
   */
  takeTrimPoint(): StreamPlace | undefined {
    const isOver = (mark: Mark | undefined): boolean =>
      mark !== undefined && this.#bytes - mark.bytesBefore > this.#maxBytes
    if (!isOver(this.#marks[0])) return undefined
    const kept = this.#marks.findIndex((mark) => !isOver(mark))
    this.#marks = kept < 0 ? this.#marks.slice(-1) : this.#marks.slice(kept)
    const offset = this.#marks[0]?.offset
    return offset === undefined ? undefined : { epoch: this.#epoch, offset }
  }
}
