/**
 * The frame meter: it finds the ends of frames however the network cuts them, and counts those that begin no message.
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { FrameMeter } from '../../src/websocket/frame-meter.js'
import { clientFrame, OPCODES } from '../support/raw-client.js'

const frame = fc.record({
  opcode: fc.constantFrom(...Object.values(OPCODES)),
  length: fc.oneof(fc.nat(200), fc.constantFrom(125, 126, 1023, 1024, 65_535, 65_536, 70_000)),
})

test('however the bytes are cut, it stops before frames and counts each one once', () => {
  fc.assert(
    fc.property(
      fc.array(frame, { maxLength: 12 }),
      fc.array(fc.integer({ min: 1, max: 3000 })),
      fc.integer({ min: 1, max: 4 }),
      (frames, cuts, maxFrames) => {
        const parts = frames.map(({ opcode, length }) => clientFrame(opcode, Buffer.alloc(length)))
        const bytes = Buffer.concat(parts)
        const starts = new Set([0, bytes.length])
        let start = 0
        for (const { length } of parts) starts.add((start += length))

        const meter = new FrameMeter()
        let at = 0
        let counted = 0
        let extra = 0
        for (let turn = 0; at < bytes.length; turn++) {
          const chunk = bytes.subarray(at, at + (cuts[turn] ?? bytes.length))
          const end = meter.measure(chunk, maxFrames)
          expect(meter.frames).toBeLessThanOrEqual(maxFrames)
          if (end < chunk.length) expect(starts).toContain(at + end)
          at += end
          counted += meter.frames
          extra += meter.extraFrames
        }
        expect(counted).toBe(frames.length)
        const isExtra = ({ opcode, length }: { opcode: number; length: number }): boolean =>
          opcode >= OPCODES.close || (opcode === OPCODES.continuation && length < 1024)
        expect(extra).toBe(frames.filter(isExtra).length)
      },
    ),
  )
})
