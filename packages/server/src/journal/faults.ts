/** The reasons why a file journal takes no entries. Several may hold at the same time, and each ends by itself. */
import type { LastcallError } from '../errors.js'

/**
 * `read`: the journal is damaged, or its next segment cannot be opened. `place`: its directory was moved. `stall`: the
 * disk does not answer. `write`: the last write failed.
 */
const FAULTS = ['read', 'place', 'stall', 'write'] as const
export type Fault = (typeof FAULTS)[number]

export class Faults {
  readonly #errors = new Map<Fault, LastcallError>()
  readonly #onAvailability: (error: LastcallError | undefined) => void
  #wasAvailable = true

  /**
   * @param onAvailability The function is called with the error when the first fault begins, and with `undefined`
   *   when the last one ends.
   */
  constructor(onAvailability: (error: LastcallError | undefined) => void) {
    this.#onAvailability = onAvailability
  }

  /** The error of the first of the present faults, in the order of the list above. */
  get error(): LastcallError | undefined {
    for (const fault of FAULTS) if (this.#errors.has(fault)) return this.#errors.get(fault)
    return undefined
  }

  has(fault: Fault): boolean {
    return this.#errors.has(fault)
  }

  set(fault: Fault, error: LastcallError): void {
    this.#errors.set(fault, error)
    this.#deliver()
  }

  clear(fault: Fault): void {
    if (this.#errors.delete(fault)) this.#deliver()
  }

  #deliver(): void {
    const { error } = this
    if (this.#wasAvailable === !error) return
    this.#wasAvailable = !error
    this.#onAvailability(error)
  }
}
