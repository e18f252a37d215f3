/**
 * A journal that appends when the test says so, or fails.
 */
import type { Entry, Journal, JournalListener, NewEntry, Tail } from '../../src/journal/journal.js'

interface Append {
  readonly entries: readonly NewEntry[]
  readonly succeed: () => void
  /** The append succeeds, and no tail ever reads the entries. */
  readonly lose: () => void
  readonly fail: (error: unknown) => void
}

export class FakeJournal implements Journal {
  readonly isShared = true
  /** Appends that wait for the test to decide on them. */
  readonly waiting: Append[] = []
  /** Every append there was. */
  readonly appends: (readonly NewEntry[])[] = []
  listener: JournalListener | undefined
  readonly #epoch: string
  #nextOffset = 1

  constructor(epoch = 'epoch') {
    this.#epoch = epoch
  }

  append(entries: readonly NewEntry[]): Promise<void> {
    this.appends.push(entries)
    return new Promise((resolve, reject) => {
      this.waiting.push({
        entries,
        succeed: () => {
          resolve()
          this.say(...entries)
        },
        lose: resolve,
        fail: reject,
      })
    })
  }

  /** Decides on the oldest append: it succeeds, and is read back. */
  succeed(): void {
    this.#oldest().succeed()
  }

  /** Decides on the oldest append: it fails. */
  fail(error: unknown): void {
    this.#oldest().fail(error)
  }

  /** Decides on the oldest append: it succeeds, and the entries are lost before they are read back. */
  lose(): void {
    this.#oldest().lose()
  }

  #oldest(): Append {
    const append = this.waiting.shift()
    if (!append) throw new Error('nothing was appended')
    return append
  }

  /** Delivers these entries as one batch, whichever instance wrote them. */
  say(...entries: readonly NewEntry[]): void {
    this.listener?.onBatch(entries.map((entry): Entry => ({ ...entry, offset: this.#nextOffset++, bytes: 100 })))
  }

  tail(listener: JournalListener): Promise<Tail> {
    this.listener = listener
    listener.onEpoch(this.#epoch, this.#nextOffset)
    return Promise.resolve({
      stop: () => {
        this.listener = undefined
        return Promise.resolve()
      },
    })
  }

  close(): Promise<void> {
    return Promise.resolve()
  }
}
