/**
 * How long a journal waits before it reconnects to its server: longer after each failure, and a random part of that
 * time, so that the instances do not all reconnect at once.
 */
import { setTimeout } from 'node:timers/promises'

const FIRST_MS = 20
const LONGEST_MS = 1000

export class ReconnectBackoff {
  #nextMs = FIRST_MS

  reset(): void {
    this.#nextMs = FIRST_MS
  }

  /** Resolves after the pause, or as soon as the signal is aborted. */
  async wait(signal: AbortSignal): Promise<void> {
    const ms = this.#nextMs * (0.5 + Math.random() / 2)
    this.#nextMs = Math.min(LONGEST_MS, this.#nextMs * 2)
    await setTimeout(ms, undefined, { signal }).catch(() => undefined)
  }
}
