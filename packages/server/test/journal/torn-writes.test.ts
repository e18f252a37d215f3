/**
 * Consecutive torn writes of several writers, cut at any byte: a reader skips exactly these.
 */
import { closeSync, fstatSync, mkdtempSync, openSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { SegmentReader } from '../../src/journal/segment-reader.js'
import { systemRandomness } from '../../src/randomness.js'
import { encodeFrame, encodeHeader, newEpoch, newMark, type SegmentHeader } from '../../src/journal/segment.js'
import { isTorn } from '../../src/journal/torn-writes.js'
import { removeFolder } from '../support/remove-folder.js'

const header: SegmentHeader = {
  epoch: newEpoch(systemRandomness),
  firstOffset: 1,
  bytesBefore: 0,
  limit: 2 ** 40,
  mark: newMark(systemRandomness),
}
const mark = Buffer.from(header.mark, 'hex')
const HEADER = encodeHeader(header)

let sequence = 0
/** A frame of one entry, by a writer that knew nothing of its place. */
const frameOf = (entry: Buffer, writer = 1): Buffer =>
  encodeFrame({ writer, sequence: ++sequence, position: 0, offset: 1, entries: [entry] }, mark)

describe('a region of torn writes', () => {
  it('of two frames, each cut at every byte, is torn', () => {
    const [first, second] = [frameOf(Buffer.alloc(40, 'a')), frameOf(Buffer.alloc(15, 'b'), 2)]
    for (let one = 1; one < first.length; one++) {
      for (let other = 0; other < second.length; other++) {
        const bytes = Buffer.concat([first.subarray(0, one), second.subarray(0, other)])
        expect(isTorn(bytes, 700, mark), `cut at ${one} and ${other}`).toBe(true)
      }
    }
  })

  it('of any number of frames of any sizes is torn', () => {
    const cut = fc.tuple(fc.nat({ max: 3000 }), fc.nat()).map(([size, at]) => {
      const frame = frameOf(Buffer.alloc(size, 'x'))
      return frame.subarray(0, at % frame.length)
    })
    fc.assert(
      fc.property(fc.array(cut, { maxLength: 12 }), fc.nat({ max: 2000 }), (cuts, position) => {
        expect(isTorn(Buffer.concat(cuts), position, mark)).toBe(true)
      }),
    )
  })

  it('with a complete frame that differs in one bit is damaged, wherever that frame is', () => {
    const cuts = fc.array(
      fc.nat({ max: 200 }).map((count) => frameOf(Buffer.alloc(150, 'y')).subarray(0, count)),
      { maxLength: 3 },
    )
    fc.assert(
      fc.property(fc.nat({ max: 300 }), fc.nat(), cuts, fc.nat({ max: 999 }), (size, random, after, position) => {
        const bytes = frameOf(Buffer.alloc(size, 'x'))
        const bit = random % (bytes.length * 8)
        bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7))
        expect(isTorn(Buffer.concat([bytes, ...after]), position, mark)).toBe(false)
      }),
    )
  })
})

describe('a segment with torn writes', () => {
  let root: string
  beforeAll(() => {
    root = mkdtempSync(join(tmpdir(), 'lastcall-torn-'))
  })
  afterAll(() => removeFolder(root))

  /**
   * The entries that a reader finds in a segment that grows by these writes. With `isLive` the reader reads after each write.
   */
  function read(writes: readonly Buffer[], isLive: boolean): string[] {
    const path = join(root, 'segment')
    writeFileSync(path, HEADER)
    const fd = openSync(path, 'r')
    const reader = new SegmentReader({ path, fd, header, headerBytes: HEADER.length })
    const found: string[] = []
    const readAll = (): void => {
      for (let frames; (frames = reader.read(fstatSync(fd).size)).length > 0;) {
        for (const { frame } of frames) found.push(...frame.entries.map((entry) => entry.toString()))
      }
    }
    try {
      for (const bytes of writes) {
        writeFileSync(path, bytes, { flag: 'a' })
        if (isLive) readAll()
      }
      readAll()
      expect(reader.isSuspect).toBe(false)
      return found
    } finally {
      closeSync(fd)
    }
  }

  it('has every complete frame in the order of the writes, at any time of reading', () => {
    const write = fc.record({
      writer: fc.nat({ max: 3 }),
      size: fc.oneof(fc.nat({ max: 60 }), fc.nat({ max: 5000 }), fc.constant(300_000)),
      cut: fc.option(fc.nat()),
    })
    fc.assert(
      fc.property(fc.array(write, { maxLength: 25 }), (plan) => {
        const expected: string[] = []
        const writes = plan.map(({ writer, size, cut }, index) => {
          const entry = `${index} ${'z'.repeat(size)}`
          const frame = frameOf(Buffer.from(entry), writer)
          if (cut !== null) return frame.subarray(0, cut % frame.length)
          expected.push(entry)
          return frame
        })
        expect(read(writes, false)).toEqual(expected)
        expect(read(writes, true)).toEqual(expected)
      }),
      { numRuns: 60 },
    )
  })

  it('is read as fast as another, because a reader looks for the next frame nearby first', () => {
    const whole = frameOf(Buffer.alloc(20, 'w'))
    const torn = frameOf(Buffer.alloc(2000, 't')).subarray(0, 700)
    const writes = Array.from({ length: 4000 }, (_, index) => (index % 2 ? whole : torn))
    expect(read([Buffer.concat(writes)], false)).toHaveLength(2000)
  })
})
