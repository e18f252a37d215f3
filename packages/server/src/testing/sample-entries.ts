/** Entries to append in tests. */
import { systemClock } from '../clock.js'
import type { NewEntry, Retention } from '../journal/journal.js'

/** A retention that keeps everything that a test appends. */
export const UNLIMITED: Retention = { maxEntries: 1e9, maxAgeMs: 1e12, maxBytes: 1e12 }

let sequence = 0

/** A message in the channel `lobby` with a sequence number of its own. */
export const message = (data: unknown, more: Partial<Extract<NewEntry, { kind: 'message' }>> = {}): NewEntry => ({
  kind: 'message',
  channel: 'lobby',
  from: 'anna',
  data: JSON.stringify(data),
  at: systemClock.now(),
  node: 'node-1',
  sequence: ++sequence,
  ...more,
})

export const messages = (count: number, data: unknown = 'x'): NewEntry[] =>
  Array.from({ length: count }, () => message(data))
