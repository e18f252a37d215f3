/**
 * The handover in the primary: it passes each socket from the worker that gives it away to one that receives it, and the answer
 * back. It forwards the state of a connection without reading it. The relay keeps a copy of each descriptor until the outcome is
 * known, because Node reports nothing about a socket that was sent to a process that ends.
 */
import type { SocketHandle } from '../connections/transferable.js'
import { OUTCOMES, type HandoverOutcome } from './phase.js'

/** A worker as the relay sees it. */
export interface RelayWorker {
  /** Sends a connection to the worker. */
  adopt(id: number, state: unknown, handle: SocketHandle): void
  /** Tells the worker what became of a connection that it has given away. */
  handed(id: number, outcome: HandoverOutcome): void
}

interface Handed<Worker> {
  readonly from: Worker
  /** The number under which the worker `from` knows the connection. */
  readonly fromId: number
  readonly state: unknown
  readonly handle: SocketHandle
  readonly target: Worker
}

/**
 * The number of connections that one worker has received and not answered. Node holds all later messages to a process back
 * while it has not taken a socket, so few sockets may be under way.
 */
const MAX_UNANSWERED = 2

export class Relay<Worker extends RelayWorker> {
  #lastId = 0
  /** The connections that were sent to a worker, by the number under which that worker knows them. */
  readonly #sent = new Map<number, Handed<Worker>>()
  /** The connections that wait for the answers to earlier ones. A worker in it may have received none yet. */
  readonly #waiting = new Map<Worker, Handed<Worker>[]>()
  readonly #received = new WeakMap<Worker, number>()

  /**
   * A worker gives a connection away.
   *
   * @param targets The workers that may receive it. It goes to the one that has received the fewest.
   * @param handle `undefined`: the socket did not arrive. The worker `from` still has it.
   */
  hand(
    from: Worker,
    { id, state }: { readonly id: number; readonly state: unknown },
    handle: SocketHandle | undefined,
    targets: readonly Worker[],
  ): void {
    const target = this.#leastLoaded(targets)
    if (!handle || !target) {
      handle?.close()
      from.handed(id, 'refused')
      return
    }
    this.#received.set(target, this.#receivedBy(target) + 1)
    const waiting = this.#waiting.get(target) ?? []
    this.#waiting.set(target, waiting)
    waiting.push({ from, fromId: id, state, handle, target })
    this.#sendNext(target)
  }

  /** A worker has answered. An answer that is not known (a later build's) is one that the sender cannot rely on. */
  answered(target: Worker, id: number, verdict: string): void {
    const handed = this.#sent.get(id)
    if (handed?.target !== target) return
    this.#sent.delete(id)
    this.#settle(handed, OUTCOMES.find((outcome) => outcome === verdict) ?? 'lost')
    this.#sendNext(target)
  }

  /**
   * A worker has ended. It may have written to the connections that it has received, so they are lost. A connection that it has
   * given away before it ended still reaches its target.
   */
  exited(worker: Worker): void {
    for (const [id, handed] of this.#sent) {
      if (handed.target !== worker) continue
      this.#sent.delete(id)
      this.#settle(handed, 'lost')
    }
    const waiting = this.#waiting.get(worker) ?? []
    this.#waiting.delete(worker)
    for (const handed of waiting) this.#settle(handed, 'refused')
  }

  #settle({ from, fromId, handle }: Handed<Worker>, outcome: HandoverOutcome): void {
    handle.close()
    from.handed(fromId, outcome)
  }

  #sendNext(target: Worker): void {
    const waiting = this.#waiting.get(target) ?? []
    while (this.#unanswered(target) < MAX_UNANSWERED) {
      const next = waiting.shift()
      if (!next) break
      const id = ++this.#lastId
      this.#sent.set(id, next)
      target.adopt(id, next.state, next.handle)
    }
    if (waiting.length === 0) this.#waiting.delete(target)
  }

  #unanswered(target: Worker): number {
    let count = 0
    for (const handed of this.#sent.values()) if (handed.target === target) count++
    return count
  }

  #receivedBy(worker: Worker): number {
    return this.#received.get(worker) ?? 0
  }

  #leastLoaded(targets: readonly Worker[]): Worker | undefined {
    const load = (target: Worker): number => {
      const waits = this.#unanswered(target) + (this.#waiting.get(target)?.length ?? 0)
      // A worker that does not answer gets no more than its share of the waiting ones.
      return waits * 1_000_000 + this.#receivedBy(target)
    }
    return [...targets].sort((a, b) => load(a) - load(b))[0]
  }
}
