/**
 * Who listens to a journal, in the order in which they came.
 */
import type { Entry, JournalListener, Tail } from './journal.js'

export class Listeners {
  readonly #places = new Set<{ readonly listener: JournalListener }>()

  add(listener: JournalListener): Tail {
    const place = { listener }
    this.#places.add(place)
    return {
      stop: () => {
        this.#places.delete(place)
        return Promise.resolve()
      },
    }
  }

  clear(): void {
    this.#places.clear()
  }

  onEpoch(epoch: string, nextOffset: number): void {
    this.#tell((listener) => listener.onEpoch(epoch, nextOffset))
  }

  onBatch(entries: readonly Entry[]): void {
    if (entries.length > 0) this.#tell((listener) => listener.onBatch(entries))
  }

  onAvailability(available: boolean, error?: unknown): void {
    this.#tell((listener) => listener.onAvailability(available, error))
  }

  #tell(tell: (listener: JournalListener) => void): void {
    for (const { listener } of this.#places) {
      try {
        tell(listener)
      } catch (error) {
        // A defect of the listener: not the journal's, nor that of the others, and not to be swallowed either.
        queueMicrotask(() => {
          throw error
        })
      }
    }
  }
}
