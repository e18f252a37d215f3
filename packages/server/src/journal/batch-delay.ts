/**
 * How long the reader of a busy journal gathers entries before it passes them on, so that the hub handles many at once.
 * Each reply of the server and each batch cost about as much as twenty entries: at 20,000 entries per second, batches
 * of two would take most of a core. Below about 3,000 entries per second the reader never waits. Pure.
 */

/** How long the reader of a busy journal gathers entries, in milliseconds. */
const GATHER_MS = 4
/** The weight of an entry decays exponentially; after this time it is 1/e. */
const MEMORY_MS = 20
/** The sum of the weights above which the journal is busy. It corresponds to about 3,000 entries per second. */
const BUSY_ENTRIES = 60

export class BatchDelay {
  #recent = 0
  #notedMs = -Infinity

  /** The milliseconds to wait after the arrival of this many entries. */
  delayAfter(entryCount: number, nowMs: number): number {
    this.#recent = this.#recent * Math.exp((this.#notedMs - nowMs) / MEMORY_MS) + entryCount
    this.#notedMs = nowMs
    return this.#recent > BUSY_ENTRIES ? GATHER_MS : 0
  }
}
