/**
 * How an entry is encoded: a line of JSON about it (`v` is the version of this encoding), then its data as it came. Old and
 * new builds read one journal side by side, so a field is only ever added, and a kind or version that this build does not
 * know reads as `unknown`. Which kind has which fields is in entry-kinds.ts.
 */
import { ENTRY_VERSION, isCount, isText, type EntryHeader, type ReadHeader } from './entry-header.js'
import { dataOf, decodeContent, encodeContent, isContentKind } from './entry-kinds.js'
import type { Entry, NewEntry } from './journal.js'

const NEWLINE = 0x0a

export const encodeEntry = (entry: NewEntry): Buffer => Buffer.from(encodeEntryText(entry))

/** The same as text, for an engine whose driver encodes texts itself. */
export function encodeEntryText(entry: NewEntry): string {
  const header: EntryHeader = { v: ENTRY_VERSION, k: entry.kind, t: entry.at, n: entry.node, s: entry.sequence }
  encodeContent(entry, header)
  return `${JSON.stringify(header)}\n${dataOf(entry) ?? ''}`
}

/** @throws {SyntaxError} when the bytes are not an entry of any version: the journal is damaged or not ours. */
export function decodeEntry(offset: number, bytes: Uint8Array): Entry {
  const buffer = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const found = buffer.indexOf(NEWLINE)
  const end = found < 0 ? buffer.length : found
  const header = JSON.parse(buffer.toString('utf8', 0, end)) as ReadHeader | null
  if (typeof header !== 'object' || header === null) throw new SyntaxError('an entry begins with a JSON object')
  const { t: at, n: node, s: sequence, k: kind } = header
  const place = {
    offset,
    at: isCount(at) ? at : 0,
    node: isText(node) ? node : '',
    sequence: isCount(sequence) ? sequence : 0,
    bytes: buffer.length,
  }
  const isKnown = header.v === ENTRY_VERSION && isText(kind) && isContentKind(kind)
  const entry = isKnown ? decodeContent(kind, header, place, buffer.toString('utf8', end + 1)) : undefined
  return entry ?? { kind: 'unknown', ...place }
}
