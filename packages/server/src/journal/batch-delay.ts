/**
 * When a reader of a busy journal waits before it tells what it has read, so that the hub handles many entries at once. Each
 * reply of the server and each batch cost about as much as twenty entries: at 20,000 entries per second, batches of two would
 * take most of a core. While fewer entries come than a few thousand per second, the reader never waits. Pure.
 */

/** The entries of a busy journal are gathered for so long. */
const GATHER_MS = 4
/** An entry counts less and less; after this time it counts as 1/e. */
const MEMORY_MS = 20
/** More than this in the memory, which is about 3,000 entries per second, and the journal is busy. */
const BUSY_ENTRIES = 60

export class BatchDelay {
  #recent = 0
  #notedMs = -Infinity

  /** Milliseconds to wait now that so many entries have come. */
  delayAfter(entryCount: number, nowMs: number): number {
    this.#recent = this.#recent * Math.exp((this.#notedMs - nowMs) / MEMORY_MS) + entryCount
    this.#notedMs = nowMs
    return this.#recent > BUSY_ENTRIES ? GATHER_MS : 0
  }
}
