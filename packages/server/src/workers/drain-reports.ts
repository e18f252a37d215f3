/**
 * What is known of how the workers say good-bye: what those report who have ended, until it is told, and how far those were
 * who have not, for when they don't come to an end of their own.
 */
import type { DrainReport } from '../shutdown/drain-report.js'
import type { WorkerIdentity } from './messages.js'
import { cutOff, reportOf } from './aggregate.js'

const keyOf = ({ generation, worker }: WorkerIdentity): string => `${String(generation)}.${String(worker)}`

export class DrainReports {
  /** By generation. */
  readonly #ended = new Map<number, DrainReport[]>()
  /** By identity. */
  readonly #running = new Map<string, DrainReport>()

  /** A worker that lives was asked how far it is; `undefined`: it says good-bye to nobody. */
  heard(worker: WorkerIdentity, report: DrainReport | undefined): void {
    if (report && report.endedAt === undefined) this.#running.set(keyOf(worker), report)
    else this.#running.delete(keyOf(worker))
  }

  /** A worker has said good-bye to everybody. */
  ended(worker: WorkerIdentity, report: DrainReport): void {
    this.#running.delete(keyOf(worker))
    this.#ended.set(worker.generation, [...(this.#ended.get(worker.generation) ?? []), report])
  }

  /** A worker's process is gone: if it was cut off while it drained, what it said last is what is known. `endedAt`: ISO 8601. */
  exited(worker: WorkerIdentity, endedAt: string): void {
    const last = this.#running.get(keyOf(worker))
    if (last) this.ended(worker, cutOff(last, endedAt))
  }

  /** Of all who have ended and have not been told of. */
  all(): readonly DrainReport[] {
    return [...this.#ended.values()].flat()
  }

  /** The report of a generation, which is then forgotten; `undefined`: there is none. */
  take(generation: number): DrainReport | undefined {
    const report = reportOf(this.#ended.get(generation) ?? [])
    this.#ended.delete(generation)
    return report
  }
}
