/**
 * The entry that fills a gap in an engine's own numbering. It has no writer: its `node` is empty.
 */
import type { Entry } from './journal.js'

/** Every reader of the engine must fill the same gap with it. `at` is 0, so that it is never younger than its neighbours. */
export const placeholderAt = (offset: number): Entry => ({
  kind: 'placeholder',
  offset,
  at: 0,
  node: '',
  sequence: 0,
  bytes: 0,
})
