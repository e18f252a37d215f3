/**
 * Reports the state of the service to the service manager: its start, the progress of a shutdown, signs of life. It decides
 * what is sent when. The notifier sends it; the state comes from the shutdown of this process, or from a primary that
 * aggregates its workers.
 */
import { countOfConnections } from '../shutdown/drain-progress.js'
import type { Clock } from '../clock.js'
import type { ShutdownState } from '../shutdown/shutdown-state.js'
import type { Notifier } from './notifier.js'

/** What the status line contains besides the state. */
export interface Progress {
  readonly activeConnections: number
  /** Milliseconds until the remaining connections are closed; 0 without a shutdown. */
  readonly remainingMs: number
  /** The report so far; `undefined`: no shutdown runs. */
  readonly report: { readonly left: number; readonly moved: number; readonly lost: number } | undefined
}

export interface ServiceReporterOptions {
  readonly notifier: Notifier
  /** The state, known without waiting, so that its notifications are sent at once. */
  readonly state: () => ShutdownState
  /** The progress. The primary has to query its workers. `undefined`: none has answered, and the last status line stays. */
  readonly progress: () => Progress | Promise<Progress | undefined>
  readonly clock: Clock
  /** WatchdogSec, in milliseconds; `undefined`: systemd runs no watchdog. */
  readonly watchdogMs: number | undefined
}

/** How often the progress of a shutdown is reported, in milliseconds. */
const DRAINING_EVERY_MS = 10_000

/** How often the number of connections is reported otherwise, if it has changed, in milliseconds. */
const SERVING_EVERY_MS = 60_000

/**
 * The extension that each report requests. It is long enough that an overloaded machine may miss a few reports, and short
 * enough that systemd kills a server that hangs in its shutdown about a minute after TimeoutStopSec.
 */
const EXTEND_BY_MS = 60_000

export class ServiceReporter {
  readonly #options: ServiceReporterOptions
  #stopTelling: (() => void) | undefined
  #told = ''
  #isStopping = false

  /** Create it when the server listens. */
  constructor(options: ServiceReporterOptions) {
    const { notifier, state, clock, watchdogMs } = options
    this.#options = options
    // Do not send READY=1 when a shutdown started before the server listened.
    if (state() === 'serving') notifier.ready()
    // The timer runs in the event loop, so that a blocked event loop sends no sign of life. Half of the interval, as
    // sd_notify(3) advises.
    if (watchdogMs !== undefined) clock.every(watchdogMs / 2, () => notifier.alive())
    this.stateChanged()
  }

  /** Must be called when the state has changed. */
  stateChanged(): void {
    const { notifier, clock } = this.#options
    const state = this.#options.state()
    // Not while draining: a drain may be cancelled, and STOPPING=1 cannot be taken back.
    if (!this.#isStopping && (state === 'closing' || state === 'closed')) {
      this.#isStopping = true
      notifier.stopping()
    }
    this.#tell()
    this.#stopTelling?.()
    this.#stopTelling = clock.every(state === 'serving' ? SERVING_EVERY_MS : DRAINING_EVERY_MS, () => this.#tell())
  }

  #tell(): void {
    const { notifier, state, progress } = this.#options
    const known = progress()
    if (known instanceof Promise) void known.then((found) => this.#tellStatus(found))
    else this.#tellStatus(known)
    if (state() !== 'serving') notifier.extendTimeout(EXTEND_BY_MS)
  }

  #tellStatus(progress: Progress | undefined): void {
    if (!progress) return
    // Reads the state again: it may have changed while the workers were queried.
    const text = statusText(this.#options.state(), progress)
    if (text !== this.#told) this.#options.notifier.status(text)
    this.#told = text
  }
}

/** The line in `systemctl status`. */
export function statusText(state: ShutdownState, { activeConnections, remainingMs, report }: Progress): string {
  switch (state) {
    case 'starting':
      return 'Starting'
    case 'serving':
      return `Serving ${countOfConnections(activeConnections)}`
    case 'draining': {
      const { left, moved, lost } = report ?? { left: 0, moved: 0, lost: 0 }
      const gone = `${left} left, ${moved} moved, ${lost} lost`
      return `Draining: ${countOfConnections(activeConnections)} remaining (${gone}); deadline in ${Math.round(remainingMs / 1000)} s`
    }
    case 'closing':
      return `Closing ${countOfConnections(activeConnections)}`
    case 'closed':
      return 'All connections have ended; closing the journal'
  }
}
