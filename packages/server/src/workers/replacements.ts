/**
 * The workers of one generation that have crashed, and when another one takes the place of each. Owns the delays and the
 * waiting; starting a process is passed in.
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
  /** By the worker's number. */
  readonly #backoffs = new Map<number, CrashBackoff>()
  /** Calls one off that is waited for, by the worker's number. */
  readonly #waiting = new Map<number, () => void>()

  constructor(options: ReplacementsOptions) {
    this.#options = options
  }

  /** Has one started that takes this one's place, which served for so many milliseconds: at once, or after a while. */
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

  /** Nobody who is still waited for is started. */
  callOff(): void {
    for (const callOff of this.#waiting.values()) callOff()
    this.#waiting.clear()
  }
}
