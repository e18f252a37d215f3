/**
 * Shares each turn of the event loop among the connections that the server reads from: a connection gets a bounded number of
 * bytes and frames, and all together get a bounded time. A connection that has more to read waits in a queue for the next turn.
 * Connections that send much share a time of their own, so that one that sends little never waits behind a flood.
 */
import type { Clock } from '../clock.js'
import { OncePerTurn } from '../once-per-turn.js'

/** `light`: the server has read little from the connection of late; `heavy`: it has read much. */
export type ReadingShare = 'light' | 'heavy'

/** A connection as the queue sees it. */
export interface TurnReader {
  /** The connection's turn has come: it reads, and waits again if there is more. */
  readInTurn(): void
}

/** How long the server may read from all connections of a share together in one turn, in milliseconds. */
const MAX_READING_MS = { light: 4, heavy: 4 } as const satisfies Record<ReadingShare, number>

const SHARES = ['light', 'heavy'] as const

export class ReadingTurns {
  /** Incremented with each turn in which the server reads. */
  #turn = 1
  readonly #next: OncePerTurn
  readonly #spentMs = { light: 0, heavy: 0 }
  readonly #waiting = { light: new Set<TurnReader>(), heavy: new Set<TurnReader>() }

  constructor(clock: Pick<Clock, 'soon'>) {
    this.#next = new OncePerTurn(clock, () => this.#nextTurn())
  }

  /** The number of the present turn. */
  get current(): number {
    this.#next.schedule()
    return this.#turn
  }

  /** Whether this share has used up its time in this turn. */
  isOver(share: ReadingShare): boolean {
    return this.#spentMs[share] >= MAX_READING_MS[share]
  }

  /** Adds to the reading time of this turn. */
  spend(share: ReadingShare, ms: number): void {
    this.#spentMs[share] += ms
  }

  /** The connection has more to read than this turn allows. */
  wait(share: ReadingShare, reader: TurnReader): void {
    this.#waiting[share].add(reader)
    this.#next.schedule()
  }

  /** The connection has ended. */
  forget(reader: TurnReader): void {
    for (const share of SHARES) this.#waiting[share].delete(reader)
  }

  #nextTurn(): void {
    this.#turn++
    for (const share of SHARES) this.#spentMs[share] = 0
    for (const share of SHARES) this.#readShare(share)
    if (SHARES.some((share) => this.#waiting[share].size > 0)) this.#next.schedule()
  }

  #readShare(share: ReadingShare): void {
    const waiting = this.#waiting[share]
    // A reader that waits again moves to the end of the queue: the loop ends with those that wait now.
    let left = waiting.size
    for (const reader of waiting) {
      if (left-- === 0 || this.isOver(share)) break
      waiting.delete(reader)
      reader.readInTurn()
    }
  }
}
