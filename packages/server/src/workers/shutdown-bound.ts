/**
 * The end of a shutdown of several workers, whatever they do: each ends by itself at its deadline, and one that does not,
 * because it was stopped or hangs, is killed a moment later. Owns how long that is.
 */
import type { Clock } from '../clock.js'
import type { ShutdownState } from '../shutdown/shutdown-state.js'

/** What a worker has configured, in seconds. */
export interface ShutdownLimits {
  readonly shutdownTimeoutSeconds: number
  readonly closeTimeoutSeconds: number
}

export interface ShutdownBoundOptions {
  /** Of all workers that are left. */
  readonly limits: () => readonly ShutdownLimits[]
  /** Called when the time is over. */
  readonly onExceeded: (waitedSeconds: number) => void
  readonly clock: Clock
}

/** For the end of a process whose last client has gone. */
const MARGIN_SECONDS = 5

export class ShutdownBound {
  readonly #options: ShutdownBoundOptions
  #callOff = (): void => undefined
  #endsAtMs = Infinity

  constructor(options: ShutdownBoundOptions) {
    this.#options = options
  }

  /** `timeoutSeconds`: what whoever began the shutdown has asked for instead of SHUTDOWN_TIMEOUT. */
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

  /** Never later than was said before. */
  #endWithin(seconds: number): void {
    const { clock, onExceeded } = this.#options
    const endsAtMs = clock.monotonic() + seconds * 1_000
    if (endsAtMs >= this.#endsAtMs) return
    this.#endsAtMs = endsAtMs
    this.#callOff()
    this.#callOff = clock.after(seconds * 1_000, () => onExceeded(seconds))
  }
}
