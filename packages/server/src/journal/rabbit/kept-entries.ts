/**
 * The newest entries that a reader receives before it begins, as many as are retained. Their number is bounded, however
 * long the stream is.
 */
import type { Clock } from '../../clock.js'
import type { Entry, Retention } from '../journal.js'
import type { LogSink } from './log-reading.js'

export class KeptEntries implements LogSink {
  readonly #retention: Retention
  #entries: Entry[] = []
  /** The number of entries at the beginning of the array that are not retained any more. */
  #goneCount = 0
  #bytes = 0

  constructor(retention: Retention) {
    this.#retention = retention
  }

  onEpoch(): void {
    this.#entries = []
    this.#goneCount = 0
    this.#bytes = 0
  }

  onEntry(entry: Entry): void {
    this.#entries.push(entry)
    this.#bytes += entry.bytes
    const { maxEntries, maxBytes } = this.#retention
    while (this.#entries.length - this.#goneCount > maxEntries || this.#bytes > maxBytes) {
      this.#bytes -= this.#entries[this.#goneCount++]?.bytes ?? 0
    }
    // Many entries are removed at once, because each removal from the front copies the array.
    if (this.#goneCount > this.#entries.length / 2 + 1) {
      this.#entries = this.#entries.slice(this.#goneCount)
      this.#goneCount = 0
    }
  }

  /** The retained entries that are not too old. The oldest is first. */
  fresh(clock: Clock): readonly Entry[] {
    const oldest = clock.now() - this.#retention.maxAgeMs
    const first = this.#entries.findIndex(({ at }, index) => index >= this.#goneCount && at >= oldest)
    return first < 0 ? [] : this.#entries.slice(first)
  }
}
