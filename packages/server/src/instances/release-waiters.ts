/** Handshakes that wait until another instance releases their clientId. */
import type { Clock } from '../clock.js'

export class ReleaseWaiters {
  readonly #clock: Pick<Clock, 'after'>
  readonly #waiting = new Map<string, Set<() => void>>()

  constructor(clock: Pick<Clock, 'after'>) {
    this.#clock = clock
  }

  /** Resolves when the clientId is released, or after `maxWaitMs`. */
  wait(clientId: string, maxWaitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const callbacks = this.#waiting.get(clientId) ?? new Set()
      this.#waiting.set(clientId, callbacks)
      const done = (): void => {
        cancel()
        callbacks.delete(done)
        if (callbacks.size === 0) this.#waiting.delete(clientId)
        resolve()
      }
      const cancel = this.#clock.after(maxWaitMs, done)
      callbacks.add(done)
    })
  }

  /** Resolves the waits for each clientId that is free now. */
  wake(isFree: (clientId: string) => boolean): void {
    for (const [clientId, callbacks] of this.#waiting) {
      if (isFree(clientId)) for (const done of [...callbacks]) done()
    }
  }
}
