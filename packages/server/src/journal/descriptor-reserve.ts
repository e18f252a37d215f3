/**
 * Descriptors that the journal keeps open and gives back when the process has no other left. Connections may use up all
 * descriptors of a process, and the journal must still be able to begin its next segment.
 */
import { closeSync, openSync } from 'node:fs'
import { devNull } from 'node:os'
import { codeOf } from './journal-errors.js'

/** EMFILE: the process has no descriptor left. ENFILE: the system has none. */
const EXHAUSTED: ReadonlySet<unknown> = new Set(['EMFILE', 'ENFILE'])

export class DescriptorReserve {
  readonly #count: number
  readonly #descriptors: number[] = []

  constructor(count: number) {
    this.#count = count
    this.replenish()
  }

  /**
   * Opens a file, with a descriptor of the reserve if there is no other. `open` must be synchronous: between the
   * release and the opening, no other code of this thread can take the descriptor.
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

  /** Fills the reserve up again. The caller calls it after each file that it closes. */
  replenish(): void {
    try {
      while (this.#descriptors.length < this.#count) this.#descriptors.push(openSync(devNull, 'r'))
    } catch {
      // No descriptor is free at the moment. The next call tries again.
    }
  }

  close(): void {
    for (const descriptor of this.#descriptors.splice(0)) closeSync(descriptor)
  }
}
