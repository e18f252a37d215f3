/**
 * A window for tests, whose frames are the text alone.
 */
import { UTF8_ENCODING, type TransportEncoding } from '../../src/connections/encoding.js'
import { Window, type ReadingTime } from '../../src/hub/window.js'
import type { Retention } from '../../src/journal/journal.js'

/** Each text is a line, so that a test can split joined frames. */
export const LINES: TransportEncoding = {
  ...UTF8_ENCODING,
  name: 'lines',
  encode: (text) => Buffer.from(`${text}\n`),
  decode: (frame) => frame.toString().trimEnd(),
}

export const EVERYTHING: Retention = { maxEntries: Infinity, maxAgeMs: Infinity, maxBytes: Infinity }

export const makeWindow = (retention: Partial<Retention> = {}): Window =>
  new Window({ ...EVERYTHING, ...retention }, LINES)

/** Entries that are received at this moment, by both clocks. */
export const receivedAt = (ms: number): ReadingTime => ({ wallMs: ms, monotonicMs: ms, isHistory: false })
