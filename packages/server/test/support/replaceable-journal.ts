/**
 * A journal in memory that a test replaces by an empty one, as FLUSHALL does with Redis: every reader learns of the new
 * epoch in the same turn of the event loop.
 */
import type { Entry, Journal, JournalListener, NewEntry, Tail } from '../../src/index.js'

export class ReplaceableJournal implements Journal {
  readonly isShared = true
  readonly #listeners = new Set<JournalListener>()
  #entries: Entry[] = []
  #epoch = 1
  /** Appends wait for it. */
  #isOpen = Promise.resolve()

  async append(entries: readonly NewEntry[]): Promise<void> {
    await this.#isOpen
    const first = this.#entries.length + 1
    const added = entries.map((entry, index): Entry => ({ ...entry, offset: first + index, bytes: 100 }))
    this.#entries.push(...added)
    if (added.length > 0) for (const listener of this.#listeners) listener.onBatch(added)
  }

  async tail(listener: JournalListener): Promise<Tail> {
    await Promise.resolve()
    listener.onEpoch(this.epoch, 1)
    if (this.#entries.length > 0) listener.onBatch([...this.#entries])
    this.#listeners.add(listener)
    return {
      stop: () => {
        this.#listeners.delete(listener)
        return Promise.resolve()
      },
    }
  }

  /** Appends wait until the returned function is called. */
  hold(): () => void {
    let release = (): void => undefined
    this.#isOpen = new Promise((resolve) => (release = resolve))
    return release
  }

  get epoch(): string {
    return `epoch-${this.#epoch}`
  }

  replace(): void {
    this.#entries = []
    this.#epoch++
    for (const listener of this.#listeners) listener.onEpoch(this.epoch, 1)
  }

  close(): Promise<void> {
    return Promise.resolve()
  }
}
