/**
 * Finds the WebSocket frames that a server sends within the bytes of a socket (RFC 6455 section 5.2). It reports where each
 * payload begins and ends. It neither copies nor parses payloads.
 */
const OPCODE = 0x0f
const LENGTH = 0x7f
const LENGTH_IN_2_BYTES = 126
const LENGTH_IN_8_BYTES = 127
const MAX_PAYLOAD = 0xffff
export const TEXT = 0x1
export const CLOSE = 0x8
export const PING = 0x9

/** The payload is `bytes` from `start` to `end`. The bytes are valid during the call only. */
export type FrameListener = (opcode: number, bytes: Buffer, start: number, end: number) => void

export class FrameReader {
  readonly #onFrame: FrameListener
  #rest: Buffer = Buffer.alloc(0)

  constructor(onFrame: FrameListener) {
    this.#onFrame = onFrame
  }

  /** Reports the frames that `data`, which the socket has received, completes. */
  read(data: Buffer): void {
    const bytes = this.#rest.length > 0 ? Buffer.concat([this.#rest, data]) : data
    let at = 0
    while (at + 2 <= bytes.length) {
      let start = at + 2
      let length = bytes.readUInt8(at + 1) & LENGTH
      if (length === LENGTH_IN_2_BYTES) {
        if (at + 4 > bytes.length) break
        length = bytes.readUInt16BE(start)
        start += 2
      } else if (length === LENGTH_IN_8_BYTES) {
        if (at + 10 > bytes.length) break
        length = Number(bytes.readBigUInt64BE(start))
        start += 8
      }
      const end = start + length
      if (end > bytes.length) break
      this.#onFrame(bytes.readUInt8(at) & OPCODE, bytes, start, end)
      at = end
    }
    this.#rest = bytes.subarray(at)
  }
}

/**
 * One text frame of a client, masked with zeros.
 *
 * @throws {RangeError} The text has more than 65,535 bytes.
 */
export function textFrame(text: string): Buffer {
  const payload = Buffer.from(text)
  if (payload.length > MAX_PAYLOAD) throw new RangeError(`a load sends at most ${MAX_PAYLOAD} bytes in one frame`)
  const head =
    payload.length < LENGTH_IN_2_BYTES
      ? Buffer.from([0x81, 0x80 | payload.length, 0, 0, 0, 0])
      : Buffer.from([0x81, 0xfe, payload.length >> 8, payload.length & 255, 0, 0, 0, 0])
  return Buffer.concat([head, payload])
}

/** The frame with which a client answers a ping that has this payload, masked with zeros. */
export function pongFrame(payload: Buffer): Buffer {
  return Buffer.concat([Buffer.from([0x8a, 0x80 | payload.length, 0, 0, 0, 0]), payload])
}
