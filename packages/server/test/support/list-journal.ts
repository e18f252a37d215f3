/**
 * A journal that an application could bring: it keeps the encoded entries in a list, for every server that is given the same
 * journal, and uses only what `lastcall` exports. A test can hold its appends, and replace it by an empty one, as FLUSHALL does
 * with Redis: every reader learns of the new epoch in the same turn of the event loop.
 */
import {
  decodeEntry,
  encodeEntry,
  LastcallError,
  type Entry,
  type Journal,
  type JournalListener,
  type NewEntry,
  type Tail,
} from '../../src/index.js'

export class ListJournal implements Journal {
  readonly isShared = true
  isClosed = false
  readonly #listeners = new Set<JournalListener>()
  #encoded: Buffer[] = []
  #epoch = 1
  /** Appends wait for it. */
  #isOpen = Promise.resolve()

  async append(entries: readonly NewEntry[]): Promise<void> {
    if (this.isClosed) throw new LastcallError('wrong_state', 'the journal is closed')
    await this.#isOpen
    if (entries.length === 0) return
    const first = this.#encoded.length
    this.#encoded.push(...entries.map(encodeEntry))
    for (const listener of this.#listeners) listener.onBatch(this.#entriesFrom(first))
  }

  #entriesFrom(first: number): Entry[] {
    return this.#encoded.slice(first).map((bytes, index) => decodeEntry(first + index + 1, bytes))
  }

  async tail(listener: JournalListener): Promise<Tail> {
    await Promise.resolve()
    listener.onEpoch(this.epoch, 1)
    if (this.#encoded.length > 0) listener.onBatch(this.#entriesFrom(0))
    this.#listeners.add(listener)
    return {
      stop: () => {
        this.#listeners.delete(listener)
        return Promise.resolve()
      },
    }
  }

  /** How many servers read it. */
  get readers(): number {
    return this.#listeners.size
  }

  get epoch(): string {
    return `epoch-${this.#epoch}`
  }

  /** Appends wait until the returned function is called. */
  hold(): () => void {
    let release = (): void => undefined
    this.#isOpen = new Promise((resolve) => (release = resolve))
    return release
  }

  /** Removes all entries and begins another epoch. */
  replace(): void {
    this.#encoded = []
    this.#epoch++
    for (const listener of this.#listeners) listener.onEpoch(this.epoch, 1)
  }

  close(): Promise<void> {
    this.isClosed = true
    return Promise.resolve()
  }
}
