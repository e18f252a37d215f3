/**
 * Says in the journal what this instance is: when it can be reached, when that changes, at its end; and now and then, for
 * what was said leaves the journal, and who is killed says nothing.
 */
import type { Clock } from '../clock.js'
import type { InstanceState, Journal } from '../journal/journal.js'

export interface InstanceAnnouncerOptions {
  readonly journal: Pick<Journal, 'isShared'>
  /** What it is now. */
  readonly state: () => Exclude<InstanceState, 'gone'>
  readonly publish: (state: InstanceState) => void
  readonly clock: Pick<Clock, 'every'>
}

export const ANNOUNCE_EVERY_MS = 10_000

export class InstanceAnnouncer {
  readonly #options: InstanceAnnouncerOptions
  #stop: (() => void) | undefined

  constructor(options: InstanceAnnouncerOptions) {
    this.#options = options
  }

  /** The instance can be reached from now on. In a journal of its own there is nobody to tell. */
  start(): void {
    const { journal, clock } = this.#options
    if (!journal.isShared || this.#stop) return
    this.#stop = clock.every(ANNOUNCE_EVERY_MS, () => this.tell())
    this.tell()
  }

  /** Says what it is now. Before the start nobody waits for it. */
  tell(): void {
    const { state, publish } = this.#options
    if (this.#stop) publish(state())
  }

  /** The last word. */
  end(): void {
    if (!this.#stop) return
    this.#stop()
    this.#stop = undefined
    this.#options.publish('gone')
  }
}
