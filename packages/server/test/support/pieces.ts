/** Work in pieces, done at once. */
import type { Application } from '../../src/hub/feed.js'
import type { Entry } from '../../src/journal/journal.js'
import type { Pieces } from '../../src/pieces.js'

/** The result of the work. */
export function finish<Result>(pieces: Pieces<Result>): Result {
  for (;;) {
    const { done, value } = pieces.next()
    if (done) return value
  }
}

/** The entry that clients receive, and the number of further pieces that the application took. */
export function finishApplication(applied: Entry | Application): { visible: Entry; pieces: number } {
  let visible = typeof applied === 'function' ? undefined : applied
  let pieces = 0
  for (; typeof applied === 'function' && !visible; pieces++) visible = applied()
  return { visible: visible as Entry, pieces }
}
