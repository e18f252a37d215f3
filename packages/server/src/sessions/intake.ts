/**
 * The texts of one connection while nothing is taken from it: because a hook is asked about a message, or because the client
 * has used up a budget. The transport is paused, but may have had more in hand: that waits here, a turn's worth at most.
 */
import type { Clock } from '../clock.js'
import type { PauseReason, Transport } from '../connections/transport.js'

type HoldReason = Extract<PauseReason, 'hook' | 'limit'>

export interface IntakeOptions {
  readonly transport: Pick<Transport, 'isOpen' | 'pause' | 'resume'>
  /** Takes a text that had to wait. */
  readonly read: (text: string) => void
  readonly clock: Clock
}

export class Intake {
  readonly #options: IntakeOptions
  readonly #reasons = new Set<HoldReason>()
  #texts: string[] = []
  /** The end of the hold for a budget, by the monotonic clock, and what calls it off. */
  #limitEndsAtMs = 0
  #stopWaiting: (() => void) | undefined

  constructor(options: IntakeOptions) {
    this.#options = options
  }

  /** Whether texts have to wait. */
  get isHeld(): boolean {
    return this.#reasons.size > 0 || this.#texts.length > 0
  }

  /** A text that came while `isHeld`. */
  add(text: string): void {
    // Of a flood that ends nobody waits for the answers, and its socket may hold 10,000 texts more.
    if (this.#reasons.has('limit') && !this.#options.transport.isOpen) return
    this.#texts.push(text)
  }

  hold(reason: HoldReason): void {
    this.#reasons.add(reason)
    this.#options.transport.pause(reason)
  }

  /** Reads on. What waited is taken first. */
  release(reason: HoldReason): void {
    const { transport, read } = this.#options
    this.#reasons.delete(reason)
    while (this.#reasons.size === 0) {
      const text = this.#texts.shift()
      if (text === undefined) break
      read(text)
    }
    if (!this.#reasons.has(reason)) transport.resume(reason)
  }

  /** Holds it for so many milliseconds, or until a hold that ends later is over. A closing connection is read to its end. */
  holdFor(waitMs: number): void {
    const { clock, transport } = this.#options
    const endsAtMs = clock.monotonic() + waitMs
    if (!transport.isOpen || (this.#reasons.has('limit') && endsAtMs <= this.#limitEndsAtMs)) return
    this.#limitEndsAtMs = endsAtMs
    this.#stopWaiting?.()
    this.#stopWaiting = clock.after(Math.ceil(waitMs), () => {
      this.#stopWaiting = undefined
      this.release('limit')
    })
    this.hold('limit')
  }

  /** The connection has ended. What it sent beyond a budget is dropped: it gets no answer any more. */
  end(): void {
    this.#stopWaiting?.()
    this.#stopWaiting = undefined
    if (!this.#reasons.has('limit')) return
    this.#texts = []
    this.release('limit')
  }
}
