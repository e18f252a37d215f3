/**
 * Checks every worker for a sign of life once per second. The primary kills a worker that gives none for WORKER_TIMEOUT,
 * because it is stopped or its event loop is busy: its clients hang, and no other worker can serve them. After 5 s the primary
 * closes the new connections that it has dealt to that worker, so that the clients reconnect to another one. generations.ts
 * replaces the worker.
 */
import type { Clock } from '../clock.js'
import type { Logger } from '../observability/log.js'
import type { Member } from './generations-options.js'
import type { WorkerProcess } from './worker-process.js'

/** A worker's process whose liveness can be checked. */
export interface LivelyProcess extends WorkerProcess {
  /** Whether the process has sent anything since the last call. */
  takeSignOfLife(): boolean
  /** Sends it a query. Any answer is a sign of life. */
  askForSignOfLife(): void
  /** Closes the connections that it was dealt and has not accepted. */
  hangUpOnNewcomers(): void
}

export interface LivenessOptions {
  readonly members: () => Iterable<Member<LivelyProcess>>
  /** WORKER_TIMEOUT, in seconds. Default: 30. */
  readonly timeoutSeconds: number | undefined
  readonly clock: Clock
  readonly log: Logger
}

const DEFAULT_TIMEOUT_SECONDS = 30
const CHECK_EVERY_MS = 1_000
/** The number of missed checks before the log reports it: one missed check may be a long turn of the event loop. */
const SILENT_AFTER_CHECKS = 2
/** Longer than a turn of the event loop on a busy machine. Then the client reconnects to another worker. */
const HANG_UP_AFTER_CHECKS = 5

export class Liveness {
  readonly #options: LivenessOptions
  /**
   * Missed checks by process. The class counts checks instead of measuring time: when the machine suspends all processes, the
   * primary included, no check is missed.
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
      // A starting worker has a timeout of its own.
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
