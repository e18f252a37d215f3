/**
 * Reads one segment, frame by frame, and counts offsets and bytes. It skips torn writes and rejects damage. Any number
 * of processes may append meanwhile.
 */
import { readSync } from 'node:fs'
import { decodeEntry } from './entry-codec.js'
import type { Entry } from './journal.js'
import { broken, damaged } from './journal-errors.js'
import type { SegmentFile } from './segment-directory.js'
import { findFrame, parseFrame, type Frame, type ParsedFrame } from './segment.js'
import { isTorn } from './torn-writes.js'

/** A frame with its position. */
export interface PlacedFrame {
  readonly frame: Frame
  readonly firstOffset: number
  /** The bytes of all entries before it. */
  readonly bytesBefore: number
}

/** The size of one read. */
const CHUNK_BYTES = 64 * 1024

/**
 * A read returns no further frame after this many entries. The journal reads once per turn of the event loop, and an
 * instance needs about 20 µs per entry: thousands of entries of another process must not block the event loop.
 */
const ENOUGH_ENTRIES = 512

export class SegmentReader {
  readonly file: SegmentFile
  readonly #mark: Buffer
  #position: number
  #nextOffset: number
  #totalBytes: number
  #isSuspect = false

  constructor(file: SegmentFile) {
    this.file = file
    this.#mark = Buffer.from(file.header.mark, 'hex')
    this.#position = file.headerBytes
    this.#nextOffset = file.header.firstOffset
    this.#totalBytes = file.header.bytesBefore
  }

  get mark(): Buffer {
    return this.#mark
  }

  /** The position up to which everything has been read. */
  get position(): number {
    return this.#position
  }

  get nextOffset(): number {
    return this.#nextOffset
  }

  /** The bytes of all entries since the journal was created. */
  get totalBytes(): number {
    return this.#totalBytes
  }

  /** Whether the segment has ended, so that the journal continues in the next one. */
  get hasEnded(): boolean {
    return this.#position >= this.file.header.limit
  }

  /** Whether the bytes at the end are neither the beginning of a frame nor the result of a power cut. */
  get isSuspect(): boolean {
    return this.#isSuspect
  }

  /**
   * The next frames, up to about 64 KiB or 512 entries. Returns none if no complete frame is left before `limit`, a
   * position in the file. The entries share a buffer of their own.
   *
   * @throws {LastcallError} `journal_unusable`: the segment is damaged.
   */
  read(limit: number): PlacedFrame[] {
    let chunkBytes = CHUNK_BYTES
    while (!this.hasEnded && this.#position < limit) {
      const start = this.#position
      const wanted = Math.min(limit - start, chunkBytes)
      const buffer = this.#readBytes(start, wanted)
      const { frames, behind } = this.#parse(buffer)
      if (frames.length > 0) return frames
      if (buffer.length < wanted) break
      if (behind.kind === 'partial' && start + behind.bytes <= limit) chunkBytes = behind.bytes
      else if (!this.#skipTorn(limit)) break
    }
    return []
  }

  /** The complete frames at the beginning of a buffer, and the result of parsing the rest. */
  #parse(buffer: Buffer): { frames: PlacedFrame[]; behind: ParsedFrame } {
    const start = this.#position
    const frames: PlacedFrame[] = []
    let entryCount = 0
    let parsed = parseFrame(buffer, 0, this.#mark)
    while (parsed.kind === 'frame' && !this.hasEnded && entryCount < ENOUGH_ENTRIES) {
      frames.push(this.#place(parsed.frame))
      entryCount += parsed.frame.entries.length
      this.#position = start + parsed.end
      this.#isSuspect = false
      parsed = parseFrame(buffer, parsed.end, this.#mark)
    }
    return { frames, behind: parsed }
  }

  #place(frame: Frame): PlacedFrame {
    if (frame.position === this.#position && frame.offset !== this.#nextOffset) {
      const found = `an entry with the offset ${frame.offset} stands in the place of ${this.#nextOffset}`
      throw damaged(this.file, this.#position, `entries before it are missing: ${found}`)
    }
    const placed = { frame, firstOffset: this.#nextOffset, bytesBefore: this.#totalBytes }
    this.#nextOffset += frame.entries.length
    for (const entry of frame.entries) this.#totalBytes += entry.length
    return placed
  }

  /**
   * Skips bytes that are no complete frame, if they can never become one. That is certain when a complete frame
   * follows, because the file system begins an append only when the previous one has ended.
   */
  #skipTorn(limit: number): boolean {
    const start = this.#position
    const next = this.#findNext(limit)
    // The bytes are read again, because the write may have completed while the following bytes were read.
    const bytes = this.#readBytes(start, next ?? limit - start)
    if (parseFrame(bytes, 0, this.#mark).kind === 'frame') return true
    const torn = isTorn(bytes, start, this.#mark)
    this.#isSuspect = !torn
    if (next === undefined) return false
    if (!torn) throw damaged(this.file, start, 'a frame differs from what was written')
    this.#position += next
    return true
  }

  /** The distance to the next complete frame. It is usually short: only the end of a segment is searched to its end. */
  #findNext(limit: number): number | undefined {
    const available = limit - this.#position
    for (let count = CHUNK_BYTES; ; count *= 4) {
      const behind = this.#readBytes(this.#position, Math.min(count, available))
      const next = findFrame(behind, 1, this.#mark)
      if (next !== undefined || count >= available) return next
    }
  }

  #readBytes(position: number, count: number): Buffer {
    const buffer = Buffer.allocUnsafe(count)
    let filled = 0
    while (filled < count) {
      const bytes = readSync(this.file.fd, buffer, filled, count - filled, position + filled)
      if (bytes === 0) break
      filled += bytes
    }
    return buffer.subarray(0, filled)
  }
}

/**
 * The entries of the frames, without those that the caller skips.
 *
 * @throws {LastcallError} `journal_unusable`: an entry is invalid in every version.
 */
export function entriesOf(
  { path }: SegmentFile,
  frames: readonly PlacedFrame[],
  isSkipped?: (offset: number, bytesBefore: number) => boolean,
): Entry[] {
  const entries: Entry[] = []
  for (const placed of frames) {
    let { firstOffset: offset, bytesBefore } = placed
    for (const bytes of placed.frame.entries) {
      if (!isSkipped?.(offset, bytesBefore)) entries.push(decode(path, offset, bytes))
      offset++
      bytesBefore += bytes.length
    }
  }
  return entries
}

function decode(path: string, offset: number, bytes: Buffer): Entry {
  try {
    return decodeEntry(offset, bytes)
  } catch (error) {
    throw broken(path, `the bytes of entry ${offset} are no entry`, error)
  }
}
