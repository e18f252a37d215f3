/**
 * Tells the service manager how the service is doing: that it is up, how a shutdown goes, that it lives. Decides what is
 * said when; how it is said is the notifier's business, and what is so is asked of whoever knows it: this process's
 * shutdown, or a primary that adds its workers up.
 */
import type { Clock } from '../clock.js'
import type { ShutdownState } from '../shutdown/shutdown-state.js'
import type { Notifier } from './notifier.js'

export interface Progress {
  readonly state: ShutdownState
  readonly activeConnections: number
  /** Milliseconds until who is left will be closed; 0 when no shutdown runs. */
  readonly remainingMs: number
  /** What has happened so far; `undefined`: no shutdown runs. */
  readonly report: { readonly left: number; readonly moved: number; readonly lost: number } | undefined
}

export interface ServiceReporterOptions {
  readonly notifier: Notifier
  readonly progress: () => Progress
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
  readonly #notifier: Notifier
  readonly #progress: () => Progress
  readonly #clock: Clock
  #stopTelling: (() => void) | undefined
  #told = ''
  #isStopping = false

  /** To be made when the server listens. */
  constructor({ notifier, progress, clock, watchdogMs }: ServiceReporterOptions) {
    this.#notifier = notifier
    this.#progress = progress
    this.#clock = clock
    // Who is stopped before it listens is not up any more.
    if (progress().state === 'serving') notifier.ready()
    // From the event loop: when it stands still, so does this, which is the point of it. Half, as sd_notify(3) advises.
    if (watchdogMs !== undefined) clock.every(watchdogMs / 2, () => notifier.alive())
    this.stateChanged()
  }

  /** To be called when the state has become another one. */
  stateChanged(): void {
    const { state } = this.#progress()
    // Not while draining: it may be called off, and STOPPING can't be.
    if (!this.#isStopping && (state === 'closing' || state === 'closed')) {
      this.#isStopping = true
      this.#notifier.stopping()
    }
    this.#tell()
    this.#stopTelling?.()
    this.#stopTelling = this.#clock.every(state === 'serving' ? SERVING_EVERY_MS : DRAINING_EVERY_MS, () =>
      this.#tell(),
    )
  }

  #tell(): void {
    const progress = this.#progress()
    const text = statusText(progress)
    if (text !== this.#told) this.#notifier.status(text)
    this.#told = text
    if (progress.state !== 'serving') this.#notifier.extendTimeout(EXTEND_BY_MS)
  }
}

const connections = (count: number): string => `${count} ${count === 1 ? 'connection' : 'connections'}`

/** The line in `systemctl status`. */
export function statusText({ state, activeConnections, remainingMs, report }: Progress): string {
  switch (state) {
    case 'starting':
      return 'Starting'
    case 'serving':
      return `Serving ${connections(activeConnections)}`
    case 'draining': {
      const { left, moved, lost } = report ?? { left: 0, moved: 0, lost: 0 }
      const gone = `${left} left, ${moved} moved, ${lost} lost`
      return `Draining: ${connections(activeConnections)} remaining (${gone}); deadline in ${Math.round(remainingMs / 1000)} s`
    }
    case 'closing':
      return `Closing ${connections(activeConnections)}`
    case 'closed':
      return 'Everybody has gone; closing the journal'
  }
}
