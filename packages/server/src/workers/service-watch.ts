/**
 * Reports the state of all workers to the service manager. ServiceReporter reports the state of any server; this class adds the
 * starts of generations: the first one, and one at each reload.
 */
import type { Clock } from '../clock.js'
import type { Notifier } from '../systemd/notifier.js'
import { ServiceReporter } from '../systemd/service-reporter.js'
import { generationStartTimeoutMs } from './generations.js'
import type { Supervision } from './supervision.js'

export interface ServiceWatchOptions {
  readonly notifier: Notifier
  readonly supervision: Pick<Supervision, 'state' | 'progress'>
  readonly clock: Clock
  /** WatchdogSec, in milliseconds; `undefined`: systemd runs no watchdog. */
  readonly watchdogMs: number | undefined
  /** WORKER_START_TIMEOUT, in milliseconds. Default: 60,000. */
  readonly startTimeoutMs?: number | undefined
}

/**
 * The margin between the primary's timeout of a start and the time that it requests from systemd (TimeoutStartSec is 90 s by
 * default), in milliseconds: the primary gives up a start before systemd does.
 */
const RESERVE_MS = 10_000

/**
 * How often the primary requests more time from the service manager while workers wait for the journal's server, in
 * milliseconds.
 */
const EXTEND_EVERY_MS = 30_000

export class ServiceWatch {
  readonly #options: ServiceWatchOptions
  /** `undefined` until the first generation serves. */
  #reporter: ServiceReporter | undefined
  #isReloading = false
  #extendedAtMs = -Infinity

  constructor(options: ServiceWatchOptions) {
    this.#options = options
  }

  /** A generation starts. */
  starting(): void {
    const { notifier } = this.#options
    if (this.#reporter) {
      this.#isReloading = true
      notifier.reloading()
    }
    this.#extend()
  }

  /** A worker of the starting generation waits for the journal's server: the start may take as long as the outage. */
  waiting(): void {
    if (this.#options.clock.monotonic() - this.#extendedAtMs >= EXTEND_EVERY_MS) this.#extend()
  }

  #extend(): void {
    const { notifier, clock, startTimeoutMs } = this.#options
    this.#extendedAtMs = clock.monotonic()
    notifier.extendTimeout(generationStartTimeoutMs(startTimeoutMs) + RESERVE_MS)
  }

  /** A generation serves. */
  serving(): void {
    const { supervision } = this.#options
    this.#reporter ??= new ServiceReporter({
      ...this.#options,
      state: () => supervision.state,
      progress: () => supervision.progress(),
    })
    this.#endReload()
  }

  /** The started generation has failed: the old one continues. */
  reloadFailed(): void {
    this.#endReload()
  }

  /** The aggregate state has changed. */
  stateChanged(): void {
    this.#endReload()
    this.#reporter?.stateChanged()
  }

  /** Do not send READY=1 once a shutdown has started, except when it ended a reload and is then cancelled. */
  #endReload(): void {
    const { notifier, supervision } = this.#options
    if (!this.#isReloading || supervision.state !== 'serving') return
    this.#isReloading = false
    notifier.ready()
  }
}
