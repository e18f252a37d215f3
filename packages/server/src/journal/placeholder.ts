/** The entry that fills a gap in an engine's own numbers. No instance wrote it, so its `node` is empty. */
import type { Entry } from './journal.js'

/**
 * Every reader of the engine must fill the same gap with the same entry. `at` is 0, so that it is never younger than
 * its neighbours.
 */
export const placeholderAt = (offset: number): Entry => ({
  kind: 'placeholder',
  offset,
  at: 0,
  node: '',
  sequence: 0,
  bytes: 0,
})
