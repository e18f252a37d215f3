/**
 * Tasks in slices: in order, a bounded time of each turn of the event loop.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { SlicedTasks, type Task } from '../src/sliced-tasks.js'
import { FakeClock } from './support/fake-clock.js'

const STRETCH_MS = 8

/** Tasks whose pieces take so long each, and the pieces that were done in each turn. */
class Work {
  readonly #clock = new FakeClock()
  readonly tasks = new SlicedTasks({ clock: this.#clock, stretchMs: STRETCH_MS })
  #done: string[] = []

  task(name: string, pieces: number, pieceMs: number): Task {
    let piece = 0
    return () => {
      this.#done.push(`${name}${++piece}`)
      this.#clock.advance(pieceMs)
      return piece < pieces
    }
  }

  /** What was done since this was asked last. */
  takeDone(): string {
    return this.#done.splice(0).join(' ')
  }
}

test('a task is done at once as far as the turn has time, and the rest in the next turns', async () => {
  const work = new Work()
  work.tasks.add(work.task('a', 5, 4))
  expect(work.takeDone()).toBe('a1 a2')
  // This turn has no time left: the tasks that its input began have used it up.
  await nextTurn()
  expect(work.takeDone()).toBe('')
  await nextTurn()
  expect(work.takeDone()).toBe('a3 a4')
  await nextTurn()
  expect(work.takeDone()).toBe('a5')
  expect(work.tasks.isIdle).toBe(true)
})

test('a first piece that is attempted uses the time of its turn, and one that takes it all leaves nothing for others', async () => {
  const work = new Work()
  const long = work.task('a', 2, 7)
  expect(work.tasks.attempt(long)).toBe(false)
  work.tasks.defer(long)
  expect(work.tasks.attempt(work.task('b', 1, 1))).toBe(false)
  expect(work.takeDone()).toBe('a1')
  await nextTurn()
  expect(work.takeDone()).toBe('a2')
  expect(work.tasks.attempt(work.task('c', 1, 8))).toBe(true)
  expect(work.tasks.attempt(work.task('d', 1, 1))).toBe(false)
  expect(work.takeDone()).toBe('c1')
  await nextTurn()
  expect(work.tasks.attempt(work.task('e', 1, 1))).toBe(true)
})

test('tasks of one turn share its time, and are done in their order', async () => {
  const work = new Work()
  work.tasks.add(work.task('a', 1, 5))
  work.tasks.add(work.task('b', 2, 3))
  work.tasks.add(work.task('c', 1, 1))
  expect(work.takeDone()).toBe('a1 b1')
  await nextTurn()
  await nextTurn()
  expect(work.takeDone()).toBe('b2 c1')
})

test('a deferred task begins in the next turn, and one that is added meanwhile comes after it', async () => {
  const work = new Work()
  work.tasks.defer(work.task('a', 1, 1))
  work.tasks.add(work.task('b', 1, 1))
  expect(work.takeDone()).toBe('')
  await nextTurn()
  expect(work.takeDone()).toBe('a1 b1')
})

test('a task that adds another one is done first', () => {
  const work = new Work()
  const after = work.task('b', 1, 1)
  const before = work.task('a', 2, 1)
  work.tasks.add(() => {
    if (work.takeDone() === '') work.tasks.add(after)
    return before()
  })
  expect(work.takeDone()).toBe('a2 b1')
})

test('a task that is added in a turn with time is begun at once, though the tasks of the turn before used theirs up', async () => {
  const work = new Work()
  work.tasks.add(work.task('a', 4, 4))
  await nextTurn()
  await nextTurn()
  expect(work.takeDone()).toBe('a1 a2 a3 a4')
  await nextTurn()
  work.tasks.add(work.task('b', 1, 1))
  expect(work.takeDone()).toBe('b1')
})

test('all tasks are done at once when somebody waits for them', () => {
  const work = new Work()
  work.tasks.add(work.task('a', 5, 4))
  work.tasks.defer(work.task('b', 2, 9))
  work.tasks.finish()
  expect(work.takeDone()).toBe('a1 a2 a3 a4 a5 b1 b2')
  expect(work.tasks.isIdle).toBe(true)
})

test('a task that throws does not hold up the tasks behind it', async () => {
  const work = new Work()
  expect(() =>
    work.tasks.add(() => {
      work.tasks.defer(work.task('b', 1, 1))
      throw new Error('a defect')
    }),
  ).toThrow('a defect')
  await nextTurn()
  expect(work.takeDone()).toBe('b1')
})
