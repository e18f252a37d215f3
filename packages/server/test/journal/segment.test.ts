import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { systemRandomness } from '../../src/randomness.js'
import {
  decodeHeader,
  encodeFrame,
  encodeHeader,
  findFrame,
  frameBytes,
  newEpoch,
  newMark,
  parseFrame,
  type Frame,
  type SegmentHeader,
} from '../../src/journal/segment.js'
import { isTorn } from '../../src/journal/torn-writes.js'

const mark = Buffer.from(newMark(systemRandomness), 'hex')

const frame: fc.Arbitrary<Frame> = fc.record({
  writer: fc.nat({ max: 2 ** 48 - 1 }),
  sequence: fc.nat({ max: 2 ** 32 - 1 }),
  position: fc.maxSafeNat(),
  offset: fc.maxSafeNat(),
  entries: fc.array(
    fc.uint8Array({ maxLength: 2000 }).map((bytes) => Buffer.from(bytes)),
    { maxLength: 5 },
  ),
})

describe('a segment', () => {
  const header: SegmentHeader = {
    epoch: newEpoch(systemRandomness),
    firstOffset: 7,
    bytesBefore: 2 ** 40,
    limit: 1000,
    mark: newMark(systemRandomness),
  }

  it('describes itself in its first line', () => {
    const bytes = encodeHeader(header)
    expect(bytes.toString()).toMatch(/^lastcall-journal 1 [0-9a-f]{8} \{.*\}\n$/)
    expect(decodeHeader(Buffer.concat([bytes, Buffer.from('frames')]))).toEqual({
      content: header,
      bytes: bytes.length,
    })
  })

  it('with any bit of its first line changed is refused', () => {
    const bytes = encodeHeader(header)
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const changed = Buffer.from(bytes)
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      expect(decodeHeader(changed), `bit ${bit}`).toHaveProperty('problem')
    }
  })

  it.each([
    ['', 'foreign'],
    ['SQLite format 3\0', 'foreign'],
    ['lastcall-journal 2 [new, and without a checksum]\n', 'newer'],
    ['lastcall-journal 1 00000000 {}\n', 'damaged'],
    ['lastcall-journal 1 0000', 'damaged'],
  ])('is not %j: %s', (text, problem) => {
    expect(decodeHeader(Buffer.from(text))).toEqual({
      problem: text.startsWith('lastcall-journal 2') ? 'damaged' : problem,
    })
  })
})

describe('a frame', () => {
  it('decodes to the written value at any position', () => {
    fc.assert(
      fc.property(frame, fc.uint8Array({ maxLength: 100 }), (given, before) => {
        const bytes = encodeFrame(given, mark)
        expect(bytes).toHaveLength(frameBytes(given.entries.length, Buffer.concat(given.entries).length))
        const buffer = Buffer.concat([before, bytes, Buffer.from('after')])
        const parsed = parseFrame(buffer, before.length, mark)
        expect(parsed).toEqual({ kind: 'frame', frame: given, end: before.length + bytes.length })
      }),
    )
  })

  it('that is truncated counts as a prefix, and as torn', () => {
    fc.assert(
      fc.property(frame, fc.nat(), (given, random) => {
        const bytes = encodeFrame(given, mark)
        const cut = bytes.subarray(0, random % bytes.length)
        expect(parseFrame(cut, 0, mark).kind).toBe('partial')
        expect(isTorn(cut, random, mark)).toBe(true)
      }),
    )
  })

  it('that is truncated is not completed by the next one', () => {
    for (let run = 0; run < 100; run++) {
      const anyMark = Buffer.from(newMark(systemRandomness), 'hex')
      const cut = 1 + (run % 8)
      const entry = Buffer.concat([Buffer.from('data'), anyMark.subarray(0, cut)])
      const bytes = encodeFrame({ writer: 1, sequence: 1, position: 0, offset: 1, entries: [entry] }, anyMark)
      const buffer = Buffer.concat([bytes.subarray(0, bytes.length - cut), bytes])
      expect(parseFrame(buffer, 0, anyMark).kind).toBe('invalid')
      expect(findFrame(buffer, 1, anyMark)).toBe(bytes.length - cut)
    }
  })

  it('truncated within its mark forms no second mark with the frame behind it', () => {
    for (let draw = 0; draw < 20_000; draw++) {
      const anyMark = Buffer.from(newMark(systemRandomness), 'hex')
      const cut = 1 + (draw % 7)
      expect(Buffer.concat([anyMark.subarray(0, cut), anyMark]).indexOf(anyMark), anyMark.toString('hex')).toBe(cut)
    }
  })

  it('with a sector of zeros, as a power cut leaves it, is torn', () => {
    const bytes = encodeFrame(
      { writer: 1, sequence: 1, position: 0, offset: 1, entries: [Buffer.alloc(2000, 'x')] },
      mark,
    )
    const position = 300
    for (const [from, to] of [
      [0, 212],
      [212, 724],
      [1748, bytes.length],
      [0, bytes.length],
    ] as const) {
      const holed = Buffer.from(bytes).fill(0, from, to)
      expect(parseFrame(holed, 0, mark).kind).toBe('invalid')
      expect(isTorn(holed, position, mark), `${from}–${to}`).toBe(true)
    }
  })

  it('that is complete but changed is damaged and not torn', () => {
    fc.assert(
      fc.property(frame, fc.nat(), fc.nat(), (given, random, position) => {
        const text = { ...given, entries: given.entries.map((entry) => Buffer.from(entry.toString('base64'))) }
        const bytes = encodeFrame(text, mark)
        const bit = random % (bytes.length * 8)
        bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7))
        expect(parseFrame(bytes, 0, mark).kind).toBe('invalid')
        expect(isTorn(bytes, position, mark)).toBe(false)
      }),
    )
  })

  it('is found behind any bytes, also behind bytes that resemble a frame', () => {
    fc.assert(
      fc.property(frame, fc.uint8Array({ maxLength: 1000 }), fc.nat(), (given, rubbish, cut) => {
        const bytes = encodeFrame(given, mark)
        const torn = bytes.subarray(0, cut % bytes.length)
        const buffer = Buffer.concat([torn, rubbish, bytes])
        // A frame that lacks only its last byte may find it in the following garbage.
        fc.pre(!buffer.subarray(0, bytes.length).equals(bytes) || torn.length + rubbish.length === 0)
        expect(findFrame(buffer, 0, mark)).toBe(torn.length + rubbish.length)
      }),
    )
  })
})
