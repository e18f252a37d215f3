/**
 * The drain reports of the workers: the final reports of workers that have ended, until the primary logs them, and the last
 * known state of those that still drain, in case they are killed.
 */
import type { DrainReport } from '../shutdown/drain-report.js'
import type { WorkerIdentity } from './messages.js'
import { cutOff, reportOf } from './aggregate.js'

const keyOf = ({ generation, worker }: WorkerIdentity): string => `${String(generation)}.${String(worker)}`

export class DrainReports {
  /** Final reports, by generation. */
  readonly #ended = new Map<number, DrainReport[]>()
  /** The last known state of workers that drain, by identity. */
  readonly #running = new Map<string, DrainReport>()

  /** Stores the state of a running worker; `undefined`: it does not drain. */
  heard(worker: WorkerIdentity, report: DrainReport | undefined): void {
    if (report && report.endedAt === undefined) this.#running.set(keyOf(worker), report)
    else this.#running.delete(keyOf(worker))
  }

  /** Stores the final report of a worker whose last connection has ended. */
  ended(worker: WorkerIdentity, report: DrainReport): void {
    this.#running.delete(keyOf(worker))
    this.#ended.set(worker.generation, [...(this.#ended.get(worker.generation) ?? []), report])
  }

  /**
   * A worker's process has ended. If it was killed during its drain, its last known state becomes its report. `endedAt`: ISO
   * 8601.
   */
  exited(worker: WorkerIdentity, endedAt: string): void {
    const last = this.#running.get(keyOf(worker))
    if (last) this.ended(worker, cutOff(last, endedAt))
  }

  /** The reports of ended workers that the primary has not logged yet. */
  all(): readonly DrainReport[] {
    return [...this.#ended.values()].flat()
  }

  /** Removes and returns the report of a generation; `undefined`: there is none. */
  take(generation: number): DrainReport | undefined {
    const report = reportOf(this.#ended.get(generation) ?? [])
    this.#ended.delete(generation)
    return report
  }
}
