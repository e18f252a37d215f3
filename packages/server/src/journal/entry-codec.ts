/**
 * The encoding of an entry: a line of JSON with its fields (`v` is the version of this encoding), then its data as
 * received. Old and new builds read the same journal at the same time. Therefore fields are only ever added, and a kind
 * or version that this build does not know is read as `unknown`. entry-kinds.ts states which kind has which fields.
 */
import { ENTRY_VERSION, isCount, isText, type EntryHeader, type ReadHeader } from './entry-header.js'
import { dataOf, decodeContent, encodeContent, isContentKind } from './entry-kinds.js'
import type { Entry, NewEntry } from './journal.js'

const NEWLINE = 0x0a

export const encodeEntry = (entry: NewEntry): Buffer => Buffer.from(encodeEntryText(entry))

/** The encoded entry as text, for an engine whose driver encodes texts itself. */
export function encodeEntryText(entry: NewEntry): string {
  const header: EntryHeader = { v: ENTRY_VERSION, k: entry.kind, t: entry.at, n: entry.node, s: entry.sequence }
  encodeContent(entry, header)
  return `${JSON.stringify(header)}\n${dataOf(entry) ?? ''}`
}

/**
 * @throws {SyntaxError} The bytes are no entry of any version: the journal is damaged, or another program wrote to
 *   it.
 */
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
