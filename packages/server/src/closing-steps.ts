/**
 * The steps that close the parts of a server when its last connection has ended. The shutdown runs them; the parts that they
 * close are composed after the shutdown, so each adds its step later.
 */
import type { Clock } from './clock.js'
import type { Logger } from './observability/log.js'
import { runLastSteps, type LastStep } from './shutdown/last-steps.js'

export interface ClosingStepsOptions {
  /** How long the close of a connection may take, in seconds (CLOSE_TIMEOUT). All steps together get the same time. */
  readonly closeTimeoutSeconds: number
  readonly clock: Clock
  readonly log: Logger
}

/** The least time for all steps, whatever CLOSE_TIMEOUT is. A busy machine needs it for steps that do not hang. */
const MIN_TIMEOUT_SECONDS = 2

export class ClosingSteps {
  readonly #timeoutSeconds: number
  readonly #clock: Clock
  readonly #log: Logger
  readonly #steps: LastStep[] = []
  #givenUp: readonly string[] = []

  constructor({ closeTimeoutSeconds, clock, log }: ClosingStepsOptions) {
    this.#timeoutSeconds = Math.max(closeTimeoutSeconds, MIN_TIMEOUT_SECONDS)
    this.#clock = clock
    this.#log = log
  }

  /** The names of the steps that hang in this process. A step that waits for another machine is not among them. */
  get givenUp(): readonly string[] {
    return this.#givenUp
  }

  /** Adds steps that run after all earlier ones. */
  add(...steps: readonly LastStep[]): void {
    this.#steps.push(...steps)
  }

  async run(): Promise<void> {
    const timeoutSeconds = this.#timeoutSeconds
    const { hanging, abandoned } = await runLastSteps(this.#steps, timeoutSeconds * 1000, this.#clock)
    this.#givenUp = hanging
    if (hanging.length > 0) {
      const text = `the shutdown does not wait any longer for ${hanging.join(' and ')}`
      this.#log.error('shutdown.given_up', { givenUp: hanging, timeoutSeconds }, text)
    }
    if (abandoned.length === 0) return
    const text = `the journal's server does not answer: the shutdown does not wait any longer for ${abandoned.join(' and ')}`
    this.#log.warn('shutdown.given_up', { givenUp: abandoned, timeoutSeconds }, text)
  }
}
