/**
 * The crashed workers of one generation, and when each is replaced. Owns the delays; the start of a process is passed in.
 */
import type { Clock } from '../clock.js'
import type { Logger } from '../observability/log.js'
import { CrashBackoff } from './crash-backoff.js'
import type { WorkerIdentity } from './messages.js'

export interface ReplacementsOptions {
  readonly clock: Clock
  readonly log: Logger
}

export class Replacements {
  readonly #options: ReplacementsOptions
  /** Backoffs, by the worker's number. */
  readonly #backoffs = new Map<number, CrashBackoff>()
  /** Functions that cancel a pending replacement, by the worker's number. */
  readonly #waiting = new Map<number, () => void>()

  constructor(options: ReplacementsOptions) {
    this.#options = options
  }

  /** Replaces a worker that has run for `livedMs` milliseconds: at once, or after its backoff. */
  replace({ worker, generation }: WorkerIdentity, servedMs: number, start: () => void): void {
    const { clock, log } = this.#options
    const backoff = this.#backoffs.get(worker) ?? new CrashBackoff()
    this.#backoffs.set(worker, backoff)
    const delayMs = backoff.after(servedMs)
    log.info('worker.replaced', { worker, generation, delayMs }, 'the primary replaces a worker')
    if (delayMs === 0) return start()
    const startLater = (): void => {
      this.#waiting.delete(worker)
      start()
    }
    this.#waiting.set(worker, clock.after(delayMs, startLater))
  }

  /** Cancels all pending replacements. */
  callOff(): void {
    for (const callOff of this.#waiting.values()) callOff()
    this.#waiting.clear()
  }
}
