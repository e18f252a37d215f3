/**
 * Runs tasks in the order of their arrival, for a bounded time per turn of the event loop, so that work on thousands of
 * connections does not delay other clients. Handshakes, entries of the journal, catching up, broadcasts and the sweep
 * are such tasks.
 */
import type { Clock } from './clock.js'
import { OncePerTurn } from './once-per-turn.js'

/** Does the next part of the task, which takes about a millisecond. Returns whether there is more to do. */
export type Task = () => boolean

export interface SlicedTasksOptions {
  readonly clock: Pick<Clock, 'monotonic' | 'soon'>
  /** How long all tasks together may occupy the event loop without a pause, in milliseconds. */
  readonly stretchMs: number
}

export class SlicedTasks {
  readonly #clock: Pick<Clock, 'monotonic'>
  readonly #stretchMs: number
  #waiting: Task[] = []
  /** The number of tasks at the front of the queue that are done. */
  #done = 0
  /** How long tasks have occupied the event loop in this turn, in milliseconds. */
  #spentMs = 0
  readonly #turns: OncePerTurn
  #isRunning = false

  constructor({ clock, stretchMs }: SlicedTasksOptions) {
    this.#clock = clock
    this.#stretchMs = stretchMs
    this.#turns = new OncePerTurn(clock, () => this.#nextTurn())
  }

  /** Whether no task waits. */
  get isIdle(): boolean {
    return this.#waiting.length === 0
  }

  /**
   * Begins the task at once if this turn has time for it and no task waits before it. Its other parts follow in the
   * next turns.
   */
  add(task: Task): void {
    const isNext = this.isIdle
    this.defer(task)
    if (isNext) this.#run()
  }

  /**
   * Does the first piece of the task at once if this turn has time for it and no task waits before it. Returns whether the task
   * is over; if not, the caller defers it. Schedules nothing for a short piece: a run in the next turn for each of them would
   * keep the event loop from waiting for input.
   */
  attempt(task: Task): boolean {
    if (!this.isIdle || this.#spentMs >= this.#stretchMs) return false
    const startMs = this.#clock.monotonic()
    const hasMore = task()
    this.#spentMs += this.#clock.monotonic() - startMs
    if (this.#spentMs >= this.#stretchMs) this.#turns.schedule()
    return !hasMore
  }

  /** Begins the task in the next turn of the event loop. */
  defer(task: Task): void {
    this.#waiting.push(task)
    this.#turns.schedule()
  }

  /** Does all tasks now, however long they take. A task cannot call it. */
  finish(): void {
    if (!this.#isRunning) this.#run(Infinity)
  }

  /**
   * Node calls it after the input of a turn. The tasks that the input has begun at once have used time of this same turn: with a
   * stretch of its own, each kind of task would occupy the event loop twice in a turn.
   */
  #nextTurn(): void {
    try {
      this.#run()
    } finally {
      this.#spentMs = 0
      // A task that throws does not stop the tasks behind it.
      if (!this.isIdle) this.#turns.schedule()
    }
  }

  #run(stretchMs = this.#stretchMs): void {
    this.#isRunning = true
    try {
      let nowMs = this.#clock.monotonic()
      while (this.#done < this.#waiting.length && this.#spentMs < stretchMs) {
        this.#doPiece()
        const endMs = this.#clock.monotonic()
        this.#spentMs += endMs - nowMs
        nowMs = endMs
      }
    } finally {
      this.#isRunning = false
      this.#waiting = this.#waiting.slice(this.#done)
      this.#done = 0
    }
  }

  #doPiece(): void {
    let hasMore = false
    try {
      hasMore = this.#waiting[this.#done]?.() ?? false
    } finally {
      if (!hasMore) this.#done++
    }
  }
}
