/**
 * Tells the service manager how the whole is doing. What one server has to tell too is the ServiceReporter's business;
 * what is added is that generations start: at first, and again with each reload.
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
  /** WatchdogSec, in milliseconds; `undefined`: nobody watches. */
  readonly watchdogMs: number | undefined
  /** WORKER_START_TIMEOUT, in milliseconds. Default: 60,000. */
  readonly startTimeoutMs?: number | undefined
}

/** TimeoutStartSec is 90 s by default, and a generation may take longer: it is given up before its timeout and this are over. */
const RESERVE_MS = 10_000

/** How often the service manager is asked for more time while workers wait for the journal's server, in milliseconds. */
const EXTEND_EVERY_MS = 30_000

export class ServiceWatch {
  readonly #options: ServiceWatchOptions
  /** Since the first generation serves. */
  #reporter: ServiceReporter | undefined
  #isReloading = false
  #extendedAtMs = -Infinity

  constructor(options: ServiceWatchOptions) {
    this.#options = options
  }

  /** A generation is started. */
  starting(): void {
    const { notifier } = this.#options
    if (this.#reporter) {
      this.#isReloading = true
      notifier.reloading()
    }
    this.#extend()
  }

  /** A worker of the generation that starts waits for the journal's server: the start may take as long as the outage. */
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

  /** The generation that was started does not serve: the old one goes on. */
  reloadFailed(): void {
    this.#endReload()
  }

  /** The state of the whole has become another one. */
  stateChanged(): void {
    this.#endReload()
    this.#reporter?.stateChanged()
  }

  /** Who is shutting down is not ready behind it; a shutdown that has ended a reload may yet be called off. */
  #endReload(): void {
    const { notifier, supervision } = this.#options
    if (!this.#isReloading || supervision.state !== 'serving') return
    this.#isReloading = false
    notifier.ready()
  }
}
