/**
 * Holds the texts of one connection back while a hook decides on a message, or while the client has used up a budget.
 * The transport is paused then, but may have read more already: these texts wait here. They are at most the texts of
 * one turn of the event loop.
 */
import type { Clock } from '../clock.js'
import type { PauseReason, Transport } from '../connections/transport.js'

type HoldReason = Extract<PauseReason, 'hook' | 'limit'>

export interface IntakeOptions {
  readonly transport: Pick<Transport, 'isOpen' | 'pause' | 'resume'>
  /** Handles a text that had to wait. */
  readonly read: (text: string) => void
  readonly clock: Clock
}

export class Intake {
  readonly #options: IntakeOptions
  readonly #reasons = new Set<HoldReason>()
  #texts: string[] = []
  /** The end of the hold for a budget, by the monotonic clock, and the function that cancels its timer. */
  #limitEndsAtMs = 0
  #stopWaiting: (() => void) | undefined

  constructor(options: IntakeOptions) {
    this.#options = options
  }

  /** Whether further texts have to wait. */
  get isHeld(): boolean {
    return this.#reasons.size > 0 || this.#texts.length > 0
  }

  /** Keeps a text that arrived while `isHeld`. */
  add(text: string): void {
    // The connection of a client that exceeds its budget has ended. It cannot receive answers, and its socket may still
    // hold 10,000 texts.
    if (this.#reasons.has('limit') && !this.#options.transport.isOpen) return
    this.#texts.push(text)
  }

  hold(reason: HoldReason): void {
    this.#reasons.add(reason)
    this.#options.transport.pause(reason)
  }

  /**
   * Ends the hold for this reason. If no other reason is left, the waiting texts are handled first, and then the
   * transport reads on.
   */
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

  /** Holds texts for this time, or until the end of a hold that ends later. A closing connection is read to its end. */
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

  /**
   * Ends all holds, because the connection has ended. Texts beyond a budget are dropped: the client can receive no
   * answer to them.
   */
  end(): void {
    this.#stopWaiting?.()
    this.#stopWaiting = undefined
    if (!this.#reasons.has('limit')) return
    this.#texts = []
    this.release('limit')
  }
}
