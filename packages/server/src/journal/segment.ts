/**
 * The format of the file journal: a segment is a line of text with its properties, then frames of entries. Pure: other
 * files read and write the bytes. torn-writes.ts distinguishes a torn write from damage.
 */
import { crc32 } from 'node:zlib'
import type { Randomness } from '../randomness.js'

const TITLE = 'lastcall-journal'
const VERSION = 1
/** The greatest length of a header. */
export const MAX_HEADER_BYTES = 1024

/** The first line of a segment contains it: `lastcall-journal VERSION CRC32 JSON`. */
export interface SegmentHeader {
  readonly epoch: string
  /** The offset of its first entry, which is also its name. */
  readonly firstOffset: number
  /** The bytes of all entries before it. */
  readonly bytesBefore: number
  /**
   * A frame that begins at this position or later does not count, because the journal continues in the next segment.
   */
  readonly limit: number
  /**
   * The eight bytes in hex that begin each frame. They are random, so that no message of a client can look like a
   * frame.
   */
  readonly mark: string
}

export const newEpoch = ({ bytes }: Pick<Randomness, 'bytes'>): string => bytes(12).toString('base64url')

/**
 * The last byte of a frame. No mark contains it, so that the mark of the next frame cannot complete one that was cut
 * short.
 */
const END = 0x0a

/** Whether the byte is an END, or differs from it in one bit. */
const isNearEnd = (byte: number): boolean => ((byte ^ END) & ((byte ^ END) - 1)) === 0

/**
 * A mark may contain
 * - no zero: otherwise a hole that a power cut left could look like the beginning of a frame;
 * - no byte near END: otherwise a damaged END could look like the beginning of a mark;
 * - its first byte only once: otherwise the beginning of one mark, cut by a torn write, and the mark of the next write
 *   could together contain a third one, at a place where no write began.
 */
const isMark = (bytes: Buffer): boolean =>
  bytes.every((byte) => byte !== 0 && !isNearEnd(byte)) && bytes.lastIndexOf(bytes[0] ?? 0) === 0

/** The mark of a new segment, in hexadecimal digits. About two of three random marks are accepted. */
export function newMark(randomness: Pick<Randomness, 'bytes'>): string {
  for (;;) {
    const bytes = randomness.bytes(8)
    if (isMark(bytes)) return bytes.toString('hex')
  }
}

export const encodeHeader = (header: SegmentHeader): Buffer => encodeLine(TITLE, header)

/** A line with a title, the version of the format and a checksum. People can read it with `head -1`. */
export function encodeLine(title: string, content: object): Buffer {
  const json = JSON.stringify(content)
  return Buffer.from(`${title} ${VERSION} ${crc32(json).toString(16).padStart(8, '0')} ${json}\n`)
}

export type DecodedLine<Content> =
  | { readonly content: Content; readonly bytes: number }
  /**
   * `foreign`: another program wrote the file. `newer`: this build does not know the version. `damaged`: the checksum
   * is wrong.
   */
  | { readonly problem: 'foreign' | 'newer' | 'damaged' }

export const decodeHeader = (bytes: Buffer): DecodedLine<SegmentHeader> => decodeLine(TITLE, bytes)

export function decodeLine<Content>(title: string, bytes: Buffer): DecodedLine<Content> {
  const end = bytes.indexOf('\n')
  const line = bytes.toString('utf8', 0, end < 0 ? bytes.length : end)
  if (!line.startsWith(`${title} `)) return { problem: 'foreign' }
  const [, version, checksum, json] = /^\S+ (\d+) ([0-9a-f]{8}) (.*)$/s.exec(line) ?? []
  if (version !== undefined && Number(version) !== VERSION) return { problem: 'newer' }
  if (end < 0 || checksum === undefined || json === undefined) return { problem: 'damaged' }
  if (crc32(json) !== Number.parseInt(checksum, 16)) return { problem: 'damaged' }
  return { content: JSON.parse(json) as Content, bytes: end + 1 }
}

/**
 * What one write appends: the entries of one or more appends, all or none.
 *
 *     mark 8 · body's length 4 · entries 4 · writer 8 · sequence 4 · body's CRC 4 · position 8 · offset 8 · header's CRC 4
 *     then each entry: length 4 · bytes; then END
 *
 * Numbers are little-endian, those of eight bytes are doubles: exact up to 2^53.
 */
export interface Frame {
  /**
   * A random number of the process that wrote it, and that process's number for the frame. A writer recognizes its own
   * frames by them.
   */
  readonly writer: number
  readonly sequence: number
  /**
   * The position and the first offset that the writer expected. They must be right if the frame is where the writer
   * expected it.
   */
  readonly position: number
  readonly offset: number
  readonly entries: readonly Buffer[]
}

/** The bytes before the entries. */
export const HEADER_BYTES = 52

/** The size of a frame with entries of these sizes. */
export const frameBytes = (entryCount: number, entryBytes: number): number =>
  HEADER_BYTES + entryCount * 4 + entryBytes + 1

export function encodeFrame(frame: Frame, mark: Buffer): Buffer {
  const entryBytes = frame.entries.reduce((sum, entry) => sum + entry.length, 0)
  const bytes = Buffer.allocUnsafe(frameBytes(frame.entries.length, entryBytes))
  let at = HEADER_BYTES
  for (const entry of frame.entries) {
    at = bytes.writeUInt32LE(entry.length, at)
    at += entry.copy(bytes, at)
  }
  bytes[at] = END
  mark.copy(bytes, 0)
  bytes.writeUInt32LE(bytes.length - HEADER_BYTES, 8)
  bytes.writeUInt32LE(frame.entries.length, 12)
  bytes.writeDoubleLE(frame.writer, 16)
  bytes.writeUInt32LE(frame.sequence, 24)
  bytes.writeUInt32LE(crc32(bytes.subarray(HEADER_BYTES)), 28)
  bytes.writeDoubleLE(frame.position, 32)
  bytes.writeDoubleLE(frame.offset, 40)
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 48)), 48)
  return bytes
}

export type ParsedFrame =
  /** `end` is the position after the frame. The entries are parts of the buffer. */
  | { readonly kind: 'frame'; readonly frame: Frame; readonly end: number }
  /** The beginning of a frame that has at least this many bytes. */
  | { readonly kind: 'partial'; readonly bytes: number }
  | { readonly kind: 'invalid' }

const INVALID: ParsedFrame = { kind: 'invalid' }

export function parseFrame(buffer: Buffer, start: number, mark: Buffer): ParsedFrame {
  const available = buffer.length - start
  const markBytes = Math.min(mark.length, available)
  if (buffer.compare(mark, 0, markBytes, start, start + markBytes) !== 0) return INVALID
  if (available < HEADER_BYTES) return { kind: 'partial', bytes: HEADER_BYTES }
  if (crc32(buffer.subarray(start, start + 48)) !== buffer.readUInt32LE(start + 48)) return INVALID
  const end = start + HEADER_BYTES + buffer.readUInt32LE(start + 8)
  if (end > buffer.length) return { kind: 'partial', bytes: end - start }
  if (crc32(buffer.subarray(start + HEADER_BYTES, end)) !== buffer.readUInt32LE(start + 28)) return INVALID
  const entries: Buffer[] = []
  let at = start + HEADER_BYTES
  for (let left = buffer.readUInt32LE(start + 12); left > 0; left--) {
    const entryStart = at + 4
    at = entryStart + buffer.readUInt32LE(at)
    entries.push(buffer.subarray(entryStart, at))
  }
  const frame: Frame = {
    writer: buffer.readDoubleLE(start + 16),
    sequence: buffer.readUInt32LE(start + 24),
    position: buffer.readDoubleLE(start + 32),
    offset: buffer.readDoubleLE(start + 40),
    entries,
  }
  return { kind: 'frame', frame, end }
}

/** The position of the next complete frame, at `from` or later. */
export function findFrame(buffer: Buffer, from: number, mark: Buffer): number | undefined {
  for (let at = buffer.indexOf(mark, from); at >= 0; at = buffer.indexOf(mark, at + 1)) {
    if (parseFrame(buffer, at, mark).kind === 'frame') return at
  }
  return undefined
}
