/**
 * A sign of life of every worker, once per second. A worker that gives none for WORKER_TIMEOUT, because it was stopped or
 * is busy without end, is killed: its clients hang meanwhile, and no other worker can serve them. Newcomers that were dealt
 * to it are hung up on after 5 s, so that they come again and to another worker. Replacing it is generations.ts's part.
 */
import type { Clock } from '../clock.js'
import type { Logger } from '../observability/log.js'
import type { Member } from './generations-options.js'
import type { WorkerProcess } from './worker-process.js'

/** A worker's process of which it is known whether it still does something. */
export interface LivelyProcess extends WorkerProcess {
  /** Whether it has sent anything since this was asked last. */
  takeSignOfLife(): boolean
  /** Asks it for anything. */
  askForSignOfLife(): void
  /** Ends the connections that were dealt to it and that it has not accepted. */
  hangUpOnNewcomers(): void
}

export interface LivenessOptions {
  readonly members: () => Iterable<Member<LivelyProcess>>
  /** WORKER_TIMEOUT. Default: 30. */
  readonly timeoutSeconds: number | undefined
  readonly clock: Clock
  readonly log: Logger
}

const DEFAULT_TIMEOUT_SECONDS = 30
const CHECK_EVERY_MS = 1_000
/** One check without a sign may be a long turn of the event loop. */
const SILENT_AFTER_CHECKS = 2
/** Longer than a turn of the event loop on a busy machine; a newcomer then tries again and comes to another worker. */
const HANG_UP_AFTER_CHECKS = 5

export class Liveness {
  readonly #options: LivenessOptions
  /**
   * Checks without a sign of life, by process. Counted instead of measured: where the primary was stopped as well, as a
   * laptop that sleeps does with all processes, no time has passed for any of them.
   */
  readonly #missed = new WeakMap<LivelyProcess, number>()
  readonly stop: () => void

  constructor(options: LivenessOptions) {
    this.#options = options
    this.stop = options.clock.every(CHECK_EVERY_MS, () => this.#check())
  }

  isSilent({ process }: Member<LivelyProcess>): boolean {
    return (this.#missed.get(process) ?? 0) >= SILENT_AFTER_CHECKS
  }

  #check(): void {
    const { members, timeoutSeconds = DEFAULT_TIMEOUT_SECONDS, log } = this.#options
    for (const { process, isReady, worker, generation } of members()) {
      // One that is starting has a timeout of its own.
      if (!isReady) continue
      const missed = process.takeSignOfLife() ? 0 : (this.#missed.get(process) ?? 0) + 1
      this.#missed.set(process, missed)
      const silentSeconds = (missed * CHECK_EVERY_MS) / 1_000
      if (silentSeconds >= timeoutSeconds) {
        const fields = { worker, generation, pid: process.pid, silentSeconds }
        log.error('worker.silent', fields, 'a worker did not answer for WORKER_TIMEOUT: the primary kills it')
        process.kill()
      } else {
        if (missed === SILENT_AFTER_CHECKS) {
          const fields = { worker, generation, pid: process.pid, silentSeconds }
          log.warn('worker.silent', fields, 'a worker does not answer')
        }
        if (missed >= HANG_UP_AFTER_CHECKS) process.hangUpOnNewcomers()
        process.askForSignOfLife()
      }
    }
  }
}
