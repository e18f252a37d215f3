/**
 * WebSocket frames of a simulated connection, as in RFC 6455 section 5.2 but without masks.
 */
import { encodeTextFrame } from '#server/websocket/frame.js'

export const OPCODES = { text: 0x81, close: 0x88, ping: 0x89, pong: 0x8a } as const

export interface Frame {
  readonly opcode: number
  readonly payload: Buffer
}

export const encodeText = encodeTextFrame

/** A control frame: its payload has at most 125 bytes. */
export const encodeControl = (opcode: number, payload: Buffer = Buffer.alloc(0)): Buffer =>
  Buffer.concat([Buffer.from([opcode, payload.length]), payload])

export function encodeClose(code: number, reason: string): Buffer {
  const payload = Buffer.alloc(2 + Buffer.byteLength(reason))
  payload.writeUInt16BE(code)
  payload.write(reason, 2)
  return encodeControl(OPCODES.close, payload)
}

/** The code and the reason of a close frame. 1005: it has none (RFC 6455 section 7.1.5). */
export const decodeClose = ({ payload }: Frame): { code: number; reason: string } =>
  payload.length < 2
    ? { code: 1005, reason: '' }
    : { code: payload.readUInt16BE(), reason: payload.toString('utf8', 2) }

/** Puts frames together from the parts that arrive. */
export class FrameReader {
  #bytes: Buffer = Buffer.alloc(0)

  read(part: Buffer): Frame[] {
    this.#bytes = this.#bytes.length === 0 ? part : Buffer.concat([this.#bytes, part])
    const frames: Frame[] = []
    for (let frame = this.#next(); frame; frame = this.#next()) frames.push(frame)
    return frames
  }

  #next(): Frame | undefined {
    const bytes = this.#bytes
    if (bytes.length < 2) return undefined
    const [opcode = 0, short = 0] = bytes
    const headBytes = short < 126 ? 2 : short === 126 ? 4 : 10
    if (bytes.length < headBytes) return undefined
    const length = short < 126 ? short : short === 126 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2))
    const end = headBytes + length
    if (bytes.length < end) return undefined
    this.#bytes = bytes.subarray(end)
    return { opcode, payload: bytes.subarray(headBytes, end) }
  }
}
