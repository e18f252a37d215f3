/**
 * How an entry is written down: a line of JSON about it (`v` is the version of this encoding), then its data as it came.
 * Old and new builds read one journal side by side, so a field is only ever added, and a kind or version that is not
 * known reads as `unknown`.
 */
import type { Entry, InstanceState, NewEntry } from './journal.js'

const VERSION = 1
const NEWLINE = 0x0a

/** What stands in the first line. One-letter names: this is paid for every entry. */
interface Header {
  readonly v: number
  readonly k: string
  /** at */
  readonly t: number
  /** node */
  readonly n: string
  /** sequence */
  readonly s: number
  readonly c?: string
  readonly f?: string
  readonly to?: string
  readonly i?: string
  readonly j?: readonly string[]
  readonly l?: readonly string[]
  readonly jc?: number
  readonly lc?: number
  readonly a?: number
  /** build */
  readonly b?: string
  /** state */
  readonly st?: string
  /** clients */
  readonly cl?: readonly string[]
}

export function encodeEntry(entry: NewEntry): Buffer {
  const common = { v: VERSION, k: entry.kind, t: entry.at, n: entry.node, s: entry.sequence }
  switch (entry.kind) {
    case 'message':
      return write({ ...common, c: entry.channel, f: entry.from, ...(entry.id && { i: entry.id }) }, entry.data)
    case 'direct':
      return write({ ...common, to: entry.to, f: entry.from, ...(entry.id && { i: entry.id }) }, entry.data)
    case 'presence': {
      const { channel: c, joined: j, left: l, joinedCount: jc, leftCount: lc, active: a } = entry
      return write({ ...common, c, j, l, jc, lc, a }, '')
    }
    case 'instance':
      return write({ ...common, b: entry.build, st: entry.state }, '')
    case 'arrival':
      return write({ ...common, cl: entry.clients }, '')
  }
}

const write = (header: Header, data: string): Buffer => Buffer.from(`${JSON.stringify(header)}\n${data}`)

/** @throws {SyntaxError} when the bytes are not an entry of any version: the journal is damaged or not ours. */
export function decodeEntry(offset: number, bytes: Uint8Array): Entry {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const end = buffer.indexOf(NEWLINE)
  const header = JSON.parse(buffer.toString('utf8', 0, end < 0 ? buffer.length : end)) as Header
  const common = { offset, at: header.t, node: header.n, sequence: header.s, bytes: buffer.length }
  if (header.v !== VERSION) return { ...common, kind: 'unknown' }
  const data = (): string => buffer.toString('utf8', end + 1)
  switch (header.k) {
    case 'message':
      return {
        ...common,
        kind: 'message',
        channel: header.c as string,
        from: header.f as string,
        ...(header.i && { id: header.i }),
        data: data(),
      }
    case 'direct':
      return {
        ...common,
        kind: 'direct',
        to: header.to as string,
        from: header.f as string,
        ...(header.i && { id: header.i }),
        data: data(),
      }
    case 'presence':
      return {
        ...common,
        kind: 'presence',
        channel: header.c as string,
        joined: header.j as readonly string[],
        left: header.l as readonly string[],
        joinedCount: header.jc as number,
        leftCount: header.lc as number,
        active: header.a as number,
      }
    case 'instance':
      return { ...common, kind: 'instance', build: header.b as string, state: header.st as InstanceState }
    case 'arrival':
      return { ...common, kind: 'arrival', clients: header.cl as readonly string[] }
    default:
      return { ...common, kind: 'unknown' }
  }
}
