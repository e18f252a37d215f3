/**
 * A window for tests, whose frames are the text alone.
 */
import { Window, type ReadingTime } from '../../src/hub/window.js'
import type { Retention } from '../../src/journal/journal.js'

export const EVERYTHING: Retention = { maxEntries: Infinity, maxAgeMs: Infinity, maxBytes: Infinity }

export const makeWindow = (retention: Partial<Retention> = {}): Window =>
  new Window({ ...EVERYTHING, ...retention }, (text) => Buffer.from(`${text}\n`))

/** Entries that are received at this moment, by both clocks. */
export const receivedAt = (ms: number): ReadingTime => ({ wallMs: ms, monotonicMs: ms, isHistory: false })
