/**
 * One run in the next turn of the event loop, however often the present turn asks for it.
 */
import type { Clock } from './clock.js'

export class OncePerTurn {
  readonly #clock: Pick<Clock, 'soon'>
  readonly #run: () => void
  #isScheduled = false

  constructor(clock: Pick<Clock, 'soon'>, run: () => void) {
    this.#clock = clock
    this.#run = run
  }

  /** Schedules the run for the next turn, unless it is scheduled already. */
  schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    this.#clock.soon(this.#begin)
  }

  /** Made once: a busy server schedules a run in each turn. */
  readonly #begin = (): void => {
    this.#isScheduled = false
    this.#run()
  }
}
