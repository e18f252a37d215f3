/**
 * Sharing a turn of the event loop among the connections that are read from.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { systemClock } from '../../src/clock.js'
import { ReadingTurns, type ReadingShare } from '../../src/websocket/reading-turns.js'

/** A connection that always has more to read, and takes so much time of each of its turns. */
class EndlessReader {
  readonly #turns: ReadingTurns
  readonly #share: ReadingShare
  readonly #ms: number
  readonly readIn: number[] = []

  constructor(turns: ReadingTurns, share: ReadingShare, ms: number) {
    this.#turns = turns
    this.#share = share
    this.#ms = ms
    turns.wait(share, this)
  }

  readInTurn(): void {
    this.readIn.push(this.#turns.current)
    this.#turns.spend(this.#share, this.#ms)
    this.#turns.wait(this.#share, this)
  }
}

const turnsOf = (readers: readonly EndlessReader[]): number[] => readers.flatMap(({ readIn }) => readIn)

test('a connection that sends little is read from in the next turn, however many floods wait before it', async () => {
  const turns = new ReadingTurns(systemClock)
  const floods = Array.from({ length: 40 }, () => new EndlessReader(turns, 'heavy', 3))
  await nextTurn()
  const before = turns.current
  const light = new EndlessReader(turns, 'light', 0.1)
  await nextTurn()
  expect(light.readIn[0]).toBe(before + 1)
  for (const reader of [light, ...floods]) turns.forget(reader)
})

test('floods are read from in turn, and each turn has time for as many as its share allows', async () => {
  const turns = new ReadingTurns(systemClock)
  const floods = Array.from({ length: 6 }, () => new EndlessReader(turns, 'heavy', 3))
  const lights = Array.from({ length: 6 }, () => new EndlessReader(turns, 'light', 1.5))
  for (let turn = 0; turn < 3; turn++) await nextTurn()
  const [first = 0] = turnsOf(floods)
  expect(turnsOf(floods)).toEqual([0, 0, 1, 1, 2, 2].map((turn) => first + turn))
  // The connections that send little have used up their own time in each turn.
  expect(turnsOf(lights).filter((turn) => turn === first)).toHaveLength(3)
  for (const reader of [...lights, ...floods]) turns.forget(reader)
})
