/**
 * Virtual time: a queue of callbacks by their due times. Callbacks of one time run in the order in which they were scheduled.
 * Promises settle between two callbacks, so a run depends on nothing but its input.
 */
import { setImmediate as promisesHaveSettled } from 'node:timers/promises'

interface Due {
  readonly atMs: number
  readonly order: number
  run: (() => void) | undefined
}

const isBefore = (one: Due, other: Due): boolean =>
  one.atMs < other.atMs || (one.atMs === other.atMs && one.order < other.order)

export class Scheduler {
  /** Milliseconds since the run began. */
  nowMs = 0
  /** A binary heap: the next callback is the first one. */
  readonly #heap: Due[] = []
  #order = 0

  /** Calls back after this time. The returned function cancels the call. */
  after(ms: number, run: () => void): () => void {
    const due: Due = { atMs: this.nowMs + Math.max(0, ms), order: this.#order++, run }
    this.#push(due)
    return () => (due.run = undefined)
  }

  /** Runs the due callbacks until this time, or until `isOver`. */
  async runUntil(endMs: number, isOver: () => boolean = () => false): Promise<void> {
    await promisesHaveSettled()
    for (let next = this.#heap[0]; next && next.atMs <= endMs && !isOver(); next = this.#heap[0]) {
      this.#pop()
      if (!next.run) continue
      this.nowMs = next.atMs
      next.run()
      await promisesHaveSettled()
    }
    if (!isOver()) this.nowMs = Math.max(this.nowMs, endMs)
  }

  #push(due: Due): void {
    const heap = this.#heap
    let at = heap.push(due) - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      const above = heap[parent]
      if (!above || isBefore(above, due)) break
      heap[at] = above
      at = parent
    }
    heap[at] = due
  }

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop()
    if (!last || heap.length === 0) return
    let at = 0
    for (;;) {
      const left = 2 * at + 1
      const child = heap[left + 1]
      const below = heap[left]
      if (!below) break
      const isRight = child !== undefined && isBefore(child, below)
      const smaller = isRight ? child : below
      if (isBefore(last, smaller)) break
      heap[at] = smaller
      at = isRight ? left + 1 : left
    }
    heap[at] = last
  }
}
