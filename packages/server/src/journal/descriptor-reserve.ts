/**
 * Descriptors that are kept open so that they can be given back when the process has no other left. Connections may use
 * up all descriptors of a process; the journal must then still be able to begin its next segment.
 */
import { closeSync, openSync } from 'node:fs'
import { devNull } from 'node:os'
import { codeOf } from './journal-errors.js'

/** The process has no descriptor left; the system has none. */
const EXHAUSTED: ReadonlySet<unknown> = new Set(['EMFILE', 'ENFILE'])

export class DescriptorReserve {
  readonly #count: number
  readonly #descriptors: number[] = []

  constructor(count: number) {
    this.#count = count
    this.replenish()
  }

  /**
   * Opens something, with a descriptor of the reserve if there is no other. `open` must be synchronous: between the
   * release and the opening nothing else of this thread can take the descriptor.
   */
  use<T>(open: () => T): T {
    try {
      return open()
    } catch (error) {
      const descriptor = EXHAUSTED.has(codeOf(error)) ? this.#descriptors.pop() : undefined
      if (descriptor === undefined) throw error
      closeSync(descriptor)
      return open()
    }
  }

  /** Fills the reserve up again: to be called whenever a file has been closed. */
  replenish(): void {
    try {
      while (this.#descriptors.length < this.#count) this.#descriptors.push(openSync(devNull, 'r'))
    } catch {
      // There is none just now; the next call tries again.
    }
  }

  close(): void {
    for (const descriptor of this.#descriptors.splice(0)) closeSync(descriptor)
  }
}
