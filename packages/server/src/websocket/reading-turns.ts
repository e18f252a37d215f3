/**
 * Shares each turn of the event loop among the connections that are read from: a connection gets a bounded amount of it,
 * and all of them together get a bounded time. A connection that has more to read waits for the next turn, in a queue.
 */

/** A connection as the queue sees it. */
export interface TurnReader {
  /** Its turn has come: reads on, and waits again if there is more. */
  readInTurn(): void
}

/** How long all connections together may be read from in one turn, in milliseconds. */
const MAX_READING_MS = 8

export class ReadingTurns {
  /** Grows with each turn in which something is read. */
  #turn = 1
  #isScheduled = false
  #spentMs = 0
  readonly #waiting = new Set<TurnReader>()

  /** The number of the present turn. */
  get current(): number {
    this.#schedule()
    return this.#turn
  }

  /** Whether the time of this turn is used up. */
  get isOver(): boolean {
    return this.#spentMs >= MAX_READING_MS
  }

  /** Adds to the time that was spent on reading in this turn. */
  spend(ms: number): void {
    this.#spentMs += ms
  }

  /** The connection has more to read than this turn has room for. */
  wait(reader: TurnReader): void {
    this.#waiting.add(reader)
    this.#schedule()
  }

  /** The connection has ended. */
  forget(reader: TurnReader): void {
    this.#waiting.delete(reader)
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(() => this.#next())
  }

  #next(): void {
    this.#isScheduled = false
    this.#turn++
    this.#spentMs = 0
    // A reader that waits again stands at the end of the queue: the loop ends with those that wait now.
    let left = this.#waiting.size
    for (const reader of this.#waiting) {
      if (left-- === 0 || this.isOver) break
      this.#waiting.delete(reader)
      reader.readInTurn()
    }
    if (this.#waiting.size > 0) this.#schedule()
  }
}
