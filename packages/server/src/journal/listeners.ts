/** The listeners of a journal, in the order in which they were added. */
import { throwUncaught } from '../clock.js'
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
    this.#deliver((listener) => listener.onEpoch(epoch, nextOffset))
  }

  onBatch(entries: readonly Entry[]): void {
    if (entries.length > 0) this.#deliver((listener) => listener.onBatch(entries))
  }

  onAvailability(available: boolean, error?: unknown): void {
    this.#deliver((listener) => listener.onAvailability(available, error))
  }

  #deliver(tell: (listener: JournalListener) => void): void {
    for (const { listener } of this.#places) {
      try {
        tell(listener)
      } catch (error) {
        // The error is a defect of the listener. It must not affect the journal or other listeners, and must not be
        // swallowed.
        throwUncaught(error)
      }
    }
  }
}
