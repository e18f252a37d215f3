/**
 * Tells the service manager how the service is doing: that it is up, how a shutdown goes, that it lives. Decides what is
 * said when; how it is said is the notifier's business, and what is so is asked of whoever knows it: this process's
 * shutdown, or a primary that adds its workers up.
 */
import { countOfConnections } from '../shutdown/drain-progress.js'
import type { Clock } from '../clock.js'
import type { ShutdownState } from '../shutdown/shutdown-state.js'
import type { Notifier } from './notifier.js'

/** What the status line says besides the state. */
export interface Progress {
  readonly activeConnections: number
  /** Milliseconds until who is left will be closed; 0 when no shutdown runs. */
  readonly remainingMs: number
  /** What has happened so far; `undefined`: no shutdown runs. */
  readonly report: { readonly left: number; readonly moved: number; readonly lost: number } | undefined
}

export interface ServiceReporterOptions {
  readonly notifier: Notifier
  /** Known at once: what is due because of it waits for nothing. */
  readonly state: () => ShutdownState
  /** Several processes have to be asked. `undefined`: nobody has answered, and what was told last stands. */
  readonly progress: () => Progress | Promise<Progress | undefined>
  readonly clock: Clock
  /** WatchdogSec, in milliseconds; `undefined`: nobody watches. */
  readonly watchdogMs: number | undefined
}

/** How often a shutdown is told of. */
const DRAINING_EVERY_MS = 10_000

/** How often the number of connections is told otherwise, if it has changed. */
const SERVING_EVERY_MS = 60_000

/**
 * What is asked for each time: so much that a machine on its knees may miss a few, so little that a server that hangs
 * in its shutdown is killed about a minute after TimeoutStopSec.
 */
const EXTEND_BY_MS = 60_000

export class ServiceReporter {
  readonly #options: ServiceReporterOptions
  #stopTelling: (() => void) | undefined
  #told = ''
  #isStopping = false

  /** To be made when the server listens. */
  constructor(options: ServiceReporterOptions) {
    const { notifier, state, clock, watchdogMs } = options
    this.#options = options
    // Who is stopped before it listens is not up any more.
    if (state() === 'serving') notifier.ready()
    // From the event loop: when it stands still, so does this, which is the point of it. Half, as sd_notify(3) advises.
    if (watchdogMs !== undefined) clock.every(watchdogMs / 2, () => notifier.alive())
    this.stateChanged()
  }

  /** To be called when the state has become another one. */
  stateChanged(): void {
    const { notifier, clock } = this.#options
    const state = this.#options.state()
    // Not while draining: it may be called off, and STOPPING can't be.
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
    // The state as it is now: it may have become another one while the others were asked.
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
