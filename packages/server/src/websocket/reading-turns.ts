/**
 * Shares each turn of the event loop among the connections that are read from: a connection gets a bounded amount of it,
 * and all of them together get a bounded time. A connection that has more to read waits for the next turn, in a queue.
 * Connections that send much share a time of their own, so that one which sends little never waits behind a flood.
 */

/** `light`: little of what the connection sends has been read of late; `heavy`: much has. */
export type ReadingShare = 'light' | 'heavy'

/** A connection as the queue sees it. */
export interface TurnReader {
  /** Its turn has come: reads on, and waits again if there is more. */
  readInTurn(): void
}

/** How long all connections of a share together may be read from in one turn, in milliseconds. */
const MAX_READING_MS = { light: 4, heavy: 4 } as const satisfies Record<ReadingShare, number>

const SHARES = ['light', 'heavy'] as const

export class ReadingTurns {
  /** Grows with each turn in which something is read. */
  #turn = 1
  #isScheduled = false
  readonly #spentMs = { light: 0, heavy: 0 }
  readonly #waiting = { light: new Set<TurnReader>(), heavy: new Set<TurnReader>() }

  /** The number of the present turn. */
  get current(): number {
    this.#schedule()
    return this.#turn
  }

  /** Whether the time that this share has in this turn is used up. */
  isOver(share: ReadingShare): boolean {
    return this.#spentMs[share] >= MAX_READING_MS[share]
  }

  /** Adds to the time that was spent on reading in this turn. */
  spend(share: ReadingShare, ms: number): void {
    this.#spentMs[share] += ms
  }

  /** The connection has more to read than this turn has room for. */
  wait(share: ReadingShare, reader: TurnReader): void {
    this.#waiting[share].add(reader)
    this.#schedule()
  }

  /** The connection has ended. */
  forget(reader: TurnReader): void {
    for (const share of SHARES) this.#waiting[share].delete(reader)
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(() => this.#next())
  }

  #next(): void {
    this.#isScheduled = false
    this.#turn++
    for (const share of SHARES) this.#spentMs[share] = 0
    for (const share of SHARES) this.#readShare(share)
    if (SHARES.some((share) => this.#waiting[share].size > 0)) this.#schedule()
  }

  #readShare(share: ReadingShare): void {
    const waiting = this.#waiting[share]
    // A reader that waits again stands at the end of the queue: the loop ends with those that wait now.
    let left = waiting.size
    for (const reader of waiting) {
      if (left-- === 0 || this.isOver(share)) break
      waiting.delete(reader)
      reader.readInTurn()
    }
  }
}
