/**
 * Which entries concern which client otherwise than the rest of their audience. Only clients that are behind ask, so a part
 * of the window is indexed when a question about it is asked: a question costs a few thousand entries at most, however long the window is.
 */
import { forEachConcernedPersonally, type KeptEntry } from '../journal/entry-kinds.js'

/** So many offsets are indexed together, and forgotten together. */
const BLOCK_SIZE = 1024

interface Block {
  /** The entries of the block up to this offset are indexed, as far as they were retained. */
  upTo: number
  /** Ascending offsets. */
  readonly offsets: Map<string, number[]>
}

export class PersonalIndex {
  readonly #entryAt: (offset: number) => KeptEntry
  /** By their number: the first one has the offsets 0 to 1,023. */
  readonly #blocks = new Map<number, Block>()

  /** @param entryAt the retained entry at an offset. */
  constructor(entryAt: (offset: number) => KeptEntry) {
    this.#entryAt = entryAt
  }

  /** Nothing is retained any more. */
  reset(): void {
    this.#blocks.clear()
  }

  /** The oldest retained entry is being evicted. */
  forget(offset: number): void {
    if (offset % BLOCK_SIZE === BLOCK_SIZE - 1) this.#blocks.delete(blockOf(offset))
  }

  /**
   * Whether an entry between these offsets (`after` exclusive) concerns this client personally. All of them are retained.
   *
   * @param first The offset of the oldest retained entry.
   */
  has(clientId: string, after: number, upTo: number, first: number): boolean {
    for (let number = blockOf(after + 1); number <= blockOf(upTo); number++) {
      const { offsets } = this.#indexed(number, first, upTo)
      if (offsets.get(clientId)?.some((offset) => offset > after && offset <= upTo)) return true
    }
    return false
  }

  /** The block with this number, indexed up to this offset. */
  #indexed(number: number, first: number, upTo: number): Block {
    let block = this.#blocks.get(number)
    if (!block) this.#blocks.set(number, (block = { upTo: number * BLOCK_SIZE - 1, offsets: new Map() }))
    const { offsets } = block
    const end = Math.min(upTo, (number + 1) * BLOCK_SIZE - 1)
    for (let offset = Math.max(block.upTo + 1, first); offset <= end; offset++) {
      forEachConcernedPersonally(this.#entryAt(offset), (clientId) => {
        const known = offsets.get(clientId)
        if (known) known.push(offset)
        else offsets.set(clientId, [offset])
      })
    }
    block.upTo = Math.max(block.upTo, end)
    return block
  }
}

const blockOf = (offset: number): number => Math.floor(offset / BLOCK_SIZE)
