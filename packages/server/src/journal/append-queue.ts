/**
 * The appends that a file journal has taken and not answered: those that wait for the next write, and those of the
 * write that is under way. It owns their order and their answers.
 */
import type { LastcallError } from '../errors.js'

export interface Append {
  readonly entries: readonly Buffer[]
  readonly bytes: number
  /** When the journal took it, by the monotonic clock. */
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

  /** When the journal took the oldest append without an answer. `undefined`: every append has its answer. */
  get oldestTakenAtMs(): number | undefined {
    return (this.#underWay[0] ?? this.#waiting[0])?.takenAtMs
  }

  /** Begins a write with at least one waiting append, and with as many as `maxBytes` allows. Returns their entries. */
  begin(maxBytes: number): Buffer[] {
    let bytes = 0
    let count = 0
    while (count < this.#waiting.length && bytes < maxBytes) bytes += this.#waiting[count++]?.bytes ?? 0
    this.#underWay = this.#waiting.splice(0, count)
    return this.#underWay.flatMap(({ entries }) => entries)
  }

  /** Puts the appends of the write back before all others, because the write does not count. */
  requeue(): void {
    this.#waiting.unshift(...this.#underWay)
    this.#underWay = []
  }

  /** Resolves the appends of the write, because their entries are in the journal. */
  succeed(): void {
    for (const { resolve } of this.#underWay.splice(0)) resolve()
  }

  /** Rejects all appends. The write may still reach the journal. */
  reject(error: LastcallError): void {
    for (const { reject } of [...this.#underWay.splice(0), ...this.#waiting.splice(0)]) reject(error)
  }

  /** Rejects the appends that wait. */
  rejectWaiting(error: LastcallError): void {
    for (const { reject } of this.#waiting.splice(0)) reject(error)
  }
}
