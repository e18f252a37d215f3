/**
 * Which entries concern which client personally (its own messages, and direct messages to it). Only the catch-up of a
 * client that is behind needs this, so a part of the window is indexed at the first query about it. A query indexes a
 * few thousand entries at most, however long the window is.
 */
import { forEachConcernedPersonally, type KeptEntry } from '../journal/entry-kinds.js'

/** The number of offsets that are indexed together and forgotten together. */
const BLOCK_SIZE = 1024

interface Block {
  /** The retained entries of the block up to this offset are indexed. */
  upTo: number
  /** The offsets by client, ascending. */
  readonly offsets: Map<string, number[]>
}

export class PersonalIndex {
  readonly #entryAt: (offset: number) => KeptEntry
  /** The blocks by number. The block 0 has the offsets 0 to 1,023. */
  readonly #blocks = new Map<number, Block>()

  /** @param entryAt Returns the retained entry at an offset. */
  constructor(entryAt: (offset: number) => KeptEntry) {
    this.#entryAt = entryAt
  }

  /** Forgets everything, because the window is empty. */
  reset(): void {
    this.#blocks.clear()
  }

  /** Forgets the block whose last entry is at this offset, which the window evicts. */
  forget(offset: number): void {
    if (offset % BLOCK_SIZE === BLOCK_SIZE - 1) this.#blocks.delete(blockOf(offset))
  }

  /**
   * Whether an entry after `after` and up to `upTo` concerns this client personally. The window retains all of these
   * entries.
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

  /** The block with this number, with its entries up to `upTo` indexed. */
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
