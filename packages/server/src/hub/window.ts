/**
 * The window: the newest part of the journal, in memory, with the frames made for it. Knows what is kept, who said what
 * with which id, and which entries are personal to whom. Knows nothing of connections.
 */
import type { Retention } from '../journal/journal.js'
import type { Frames, KeptEntry } from './frames.js'

/** An entry and what was made of it. */
export interface WindowEntry {
  readonly entry: KeptEntry
  readonly frames: Frames
  /** The offset of the first entry with the same sender and id: this one is its retry and is delivered to nobody. */
  readonly retryOf: number | undefined
}

export class Window {
  readonly #retention: Retention
  /** The kept entries are `#slots[#start…]`; what lies before is cut off now and then. */
  #slots: (WindowEntry | undefined)[] = []
  #start = 0
  /** The offset the next entry will have. */
  #next = 1
  #bytes = 0
  /** The offset of the first entry with this sender and id. */
  readonly #offsetOf = new Map<string, number>()
  /** Ascending offsets of the entries that one client sees otherwise than everybody else. */
  readonly #personal = new Map<string, number[]>()

  constructor(retention: Retention) {
    this.#retention = retention
  }

  /** The offset of the oldest kept entry; the next one's when nothing is kept. */
  get first(): number {
    return this.#next - this.size
  }

  /** The offset of the newest entry ever pushed. */
  get head(): number {
    return this.#next - 1
  }

  get size(): number {
    return this.#slots.length - this.#start
  }

  /** What is kept, in bytes of the journal. */
  get bytes(): number {
    return this.#bytes
  }

  /** Forgets everything; the next entry will have this offset. */
  reset(nextOffset: number): void {
    this.#slots = []
    this.#start = 0
    this.#next = nextOffset
    this.#bytes = 0
    this.#offsetOf.clear()
    this.#personal.clear()
  }

  /** Takes the next entry and lets go of what no longer fits. */
  push(frames: Frames, now: number): WindowEntry {
    const { entry } = frames
    const key = retryKey(entry)
    const retryOf = key === undefined ? undefined : this.#offsetOf.get(key)
    if (key !== undefined && retryOf === undefined) this.#offsetOf.set(key, entry.offset)
    const item = { entry, frames, retryOf }
    this.#slots.push(item)
    this.#next = entry.offset + 1
    this.#bytes += entry.bytes
    forEachConcernedPersonally(entry, (clientId) => {
      const offsets = this.#personal.get(clientId)
      if (offsets) offsets.push(entry.offset)
      else this.#personal.set(clientId, [entry.offset])
    })
    this.trim(now)
    return item
  }

  /** Lets go of what is too old, too much or too large. */
  trim(now: number): void {
    const { maxEntries, maxAgeMs, maxBytes } = this.#retention
    while (this.size > 0) {
      const oldest = (this.#slots[this.#start] as WindowEntry).entry
      if (this.size <= maxEntries && this.#bytes <= maxBytes && oldest.at >= now - maxAgeMs) break
      this.#forget(oldest)
      this.#slots[this.#start++] = undefined
      this.#bytes -= oldest.bytes
    }
    if (this.#start > 1024 && this.#start > this.#slots.length / 2) {
      this.#slots = this.#slots.slice(this.#start)
      this.#start = 0
    }
  }

  #forget(entry: KeptEntry): void {
    const key = retryKey(entry)
    if (key !== undefined && this.#offsetOf.get(key) === entry.offset) this.#offsetOf.delete(key)
    forEachConcernedPersonally(entry, (clientId) => {
      const offsets = this.#personal.get(clientId)
      if (!offsets) return
      if (offsets.length === 1) this.#personal.delete(clientId)
      else offsets.shift()
    })
  }

  /** The entry at this offset, which must be kept: `first ≤ offset ≤ head`. */
  at(offset: number): WindowEntry {
    return this.#slots[this.#slots.length - (this.#next - offset)] as WindowEntry
  }

  /** Whether everything after this offset is still kept. */
  reaches(offset: number): boolean {
    return offset >= this.first - 1 && offset <= this.head
  }

  /** Where this client's message with this id stands, if it is kept. */
  offsetOf(clientId: string, id: string): number | undefined {
    return this.#offsetOf.get(`${clientId}\n${id}`)
  }

  /** Whether between these offsets (the first exclusive) something concerns this client otherwise than everybody else. */
  isPersonal(clientId: string, after: number, upTo: number): boolean {
    const offsets = this.#personal.get(clientId)
    if (!offsets) return false
    let low = 0
    let high = offsets.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((offsets[middle] as number) <= after) low = middle + 1
      else high = middle
    }
    return low < offsets.length && (offsets[low] as number) <= upTo
  }
}

function retryKey(entry: KeptEntry): string | undefined {
  return (entry.kind === 'message' || entry.kind === 'direct') && entry.id !== undefined
    ? `${entry.from}\n${entry.id}`
    : undefined
}

/** Calls back with each client that this entry concerns otherwise than the rest of its audience. */
export function forEachConcernedPersonally(entry: KeptEntry, callback: (clientId: string) => void): void {
  switch (entry.kind) {
    case 'message':
      callback(entry.from)
      return
    case 'direct':
      callback(entry.to)
      if (entry.from !== entry.to) callback(entry.from)
      return
    case 'presence':
      // Who comes or goes alone is not told of itself. In a crowd everybody gets the same frame.
      if (entry.joinedCount + entry.leftCount === 1) callback((entry.joined[0] ?? entry.left[0]) as string)
      return
    case 'instance':
    case 'arrival':
    case 'unknown':
    case 'placeholder':
  }
}
