/**
 * Reads one segment, frame after frame, and counts: which offset is next, how many bytes the entries took. Skips what
 * torn writes left behind and refuses damage. Any number of processes may append meanwhile.
 */
import { readSync } from 'node:fs'
import { decodeEntry } from './entry-codec.js'
import type { Entry } from './journal.js'
import { broken, damaged } from './journal-errors.js'
import type { SegmentFile } from './segment-directory.js'
import { findFrame, parseFrame, type Frame, type ParsedFrame } from './segment.js'
import { isTorn } from './torn-writes.js'

/** A frame in its place. */
export interface PlacedFrame {
  readonly frame: Frame
  readonly firstOffset: number
  /** What all entries before it took, in bytes. */
  readonly bytesBefore: number
}

/** So much is read at once. */
const CHUNK_BYTES = 64 * 1024

/**
 * No further frame is read at once behind so many entries. The journal reads once in each turn of the event loop, and an
 * entry takes an instance some 20 µs: entries that another process has written by the thousand must not keep the clients
 * waiting.
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

  /** Everything before it is read. */
  get position(): number {
    return this.#position
  }

  get nextOffset(): number {
    return this.#nextOffset
  }

  /** What all entries so far took, since the journal was made. */
  get totalBytes(): number {
    return this.#totalBytes
  }

  /** Whether the segment is over: the journal goes on in the next one. */
  get hasEnded(): boolean {
    return this.#position >= this.file.header.limit
  }

  /** Whether what stands at the end is neither the beginning of a frame nor left by a power cut. */
  get isSuspect(): boolean {
    return this.#isSuspect
  }

  /**
   * The next frames, about 64 KiB or 512 entries of them; none when no whole one is left before `limit`, a position in the
   * file. Their entries share a buffer of their own.
   *
   * @throws {LastcallError} `journal_unusable`: damaged.
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

  /** The frames that a buffer begins with, and what comes behind them. */
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
      const found = `an entry that was written as ${frame.offset} comes as ${this.#nextOffset}`
      throw damaged(this.file, this.#position, `entries before it are missing: ${found}`)
    }
    const placed = { frame, firstOffset: this.#nextOffset, bytesBefore: this.#totalBytes }
    this.#nextOffset += frame.entries.length
    for (const entry of frame.entries) this.#totalBytes += entry.length
    return placed
  }

  /**
   * At something that is no whole frame: goes on behind it if it is certain that it will never be one, because a whole
   * frame follows and the file system lets one append begin only when the one before is over.
   */
  #skipTorn(limit: number): boolean {
    const start = this.#position
    const next = this.#findNext(limit)
    // Read again: it may have been completed while what follows was being read.
    const bytes = this.#readBytes(start, next ?? limit - start)
    if (parseFrame(bytes, 0, this.#mark).kind === 'frame') return true
    const torn = isTorn(bytes, start, this.#mark)
    this.#isSuspect = !torn
    if (next === undefined) return false
    if (!torn) throw damaged(this.file, start, 'a frame is not as it was written')
    this.#position += next
    return true
  }

  /** How far from here the next whole frame begins. It is near, mostly: only a segment's end is read to the end. */
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
 * The entries of frames, without those that are to be skipped.
 *
 * @throws {LastcallError} `journal_unusable`: one of them is no entry of any version.
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
    throw broken(path, `what stands there as entry ${offset} is none`, error)
  }
}
