/**
 * The handshakes that wait for an answer from outside: the issuer's keys, the journal or the application. Each of them
 * ends after a time limit, a shutdown ends all of them, and their number counts against MAX_CONNECTIONS.
 */
import type { Clock } from '../clock.js'

/** Why a handshake ends before it has its answer. */
export type HandshakeEnd = 'timeout' | 'shutdown'

export interface PendingHandshake {
  /** Ends the wait, because the answer has arrived. Returns `false` if the handshake ended before. */
  finish(): boolean
}

export class PendingHandshakes {
  readonly #timeoutMs: number
  readonly #clock: Clock
  readonly #pending = new Map<symbol, { readonly end: (why: HandshakeEnd) => void }>()
  /** The number of waiting handshakes per clientId. */
  readonly #names = new Map<string, number>()

  constructor({ timeoutMs, clock }: { readonly timeoutMs: number; readonly clock: Clock }) {
    this.#timeoutMs = timeoutMs
    this.#clock = clock
  }

  get count(): number {
    return this.#pending.size
  }

  /** Whether a handshake with this clientId waits already. */
  has(name: string): boolean {
    return this.#names.has(name)
  }

  /** @param onEnd The function is called once, unless `finish` is called before. */
  begin(name: string | undefined, onEnd: (why: HandshakeEnd) => void): PendingHandshake {
    const id = Symbol('handshake')
    const remove = (): boolean => {
      cancelTimeout()
      if (!this.#pending.delete(id)) return false
      if (name !== undefined) this.#forget(name)
      return true
    }
    const end = (why: HandshakeEnd): void => {
      if (remove()) onEnd(why)
    }
    const cancelTimeout = this.#clock.after(this.#timeoutMs, () => end('timeout'))
    this.#pending.set(id, { end })
    if (name !== undefined) this.#names.set(name, (this.#names.get(name) ?? 0) + 1)
    return { finish: remove }
  }

  /** Ends all of them, because the server accepts no more clients. */
  endAll(): void {
    for (const { end } of [...this.#pending.values()]) end('shutdown')
  }

  #forget(name: string): void {
    const count = (this.#names.get(name) ?? 1) - 1
    if (count === 0) this.#names.delete(name)
    else this.#names.set(name, count)
  }
}
