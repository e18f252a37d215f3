/**
 * The appends that a file journal has taken and not answered: those that wait for the next write, and those of the one
 * write that is under way. Owns their order and their answers.
 */
import type { LastcallError } from '../errors.js'

export interface Append {
  readonly entries: readonly Buffer[]
  readonly bytes: number
  /** When it was taken, by the monotonic clock. */
  readonly takenAtMs: number
  readonly resolve: () => void
  readonly reject: (error: LastcallError) => void
}

export class AppendQueue {
  #waiting: Append[] = []
  #underWay: Append[] = []

  add(append: Append): void {
    this.#waiting.push(append)
  }

  get hasWaiting(): boolean {
    return this.#waiting.length > 0
  }

  /** When the oldest append was taken that has no answer yet; `undefined`: there is none. */
  get oldestTakenAtMs(): number | undefined {
    return (this.#underWay[0] ?? this.#waiting[0])?.takenAtMs
  }

  /** Begins a write with as many of those that wait as fit, one at least. The answer is their entries. */
  begin(maxBytes: number): Buffer[] {
    let bytes = 0
    let count = 0
    while (count < this.#waiting.length && bytes < maxBytes) bytes += this.#waiting[count++]?.bytes ?? 0
    this.#underWay = this.#waiting.splice(0, count)
    return this.#underWay.flatMap(({ entries }) => entries)
  }

  /** What was being written does not count: it waits again, before all others. */
  requeue(): void {
    this.#waiting.unshift(...this.#underWay)
    this.#underWay = []
  }

  /** What was being written is in the journal. */
  succeed(): void {
    for (const { resolve } of this.#underWay.splice(0)) resolve()
  }

  /** Refuses all of them. What is being written may still get into the journal. */
  reject(error: LastcallError): void {
    for (const { reject } of [...this.#underWay.splice(0), ...this.#waiting.splice(0)]) reject(error)
  }

  /** Refuses those that wait. */
  rejectWaiting(error: LastcallError): void {
    for (const { reject } of this.#waiting.splice(0)) reject(error)
  }
}
