/**
 * The bound on a shutdown of several workers. Each worker ends by itself at its deadline; the primary kills one that does not,
 * because it is stopped or hangs, a moment later. Owns the length of that bound.
 */
import type { Clock } from '../clock.js'
import type { ShutdownState } from '../shutdown/shutdown-state.js'

/** The configured times of a worker, in seconds. */
export interface ShutdownLimits {
  readonly shutdownTimeoutSeconds: number
  readonly closeTimeoutSeconds: number
}

export interface ShutdownBoundOptions {
  /** The times of all remaining workers. */
  readonly limits: () => readonly ShutdownLimits[]
  /** Called at the bound. */
  readonly onExceeded: (waitedSeconds: number) => void
  readonly clock: Clock
}

/** The time that a process needs to end after its last client has left, in milliseconds. */
const MARGIN_SECONDS = 5

export class ShutdownBound {
  readonly #options: ShutdownBoundOptions
  #callOff = (): void => undefined
  #endsAtMs = Infinity

  constructor(options: ShutdownBoundOptions) {
    this.#options = options
  }

  /** @param timeoutSeconds Replaces SHUTDOWN_TIMEOUT, when the request for the shutdown contained it. */
  stateChanged(state: ShutdownState, timeoutSeconds?: number): void {
    const limits = this.#options.limits()
    if (limits.length === 0) return
    const closeSeconds = Math.max(...limits.map(({ closeTimeoutSeconds }) => closeTimeoutSeconds)) + MARGIN_SECONDS
    if (state === 'draining') {
      const configured = Math.max(...limits.map(({ shutdownTimeoutSeconds }) => shutdownTimeoutSeconds))
      this.#endWithin((timeoutSeconds ?? configured) + closeSeconds)
    } else if (state === 'closing') {
      this.#endWithin(closeSeconds)
    } else {
      this.#callOff()
      this.#endsAtMs = Infinity
    }
  }

  /** Shortens the bound; it never becomes later. */
  #endWithin(seconds: number): void {
    const { clock, onExceeded } = this.#options
    const endsAtMs = clock.monotonic() + seconds * 1_000
    if (endsAtMs >= this.#endsAtMs) return
    this.#endsAtMs = endsAtMs
    this.#callOff()
    this.#callOff = clock.after(seconds * 1_000, () => onExceeded(seconds))
  }
}
