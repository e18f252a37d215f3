/**
 * The frames of a server within the bytes of a socket (RFC 6455 section 5.2): where each begins and ends, without copying or
 * parsing what is in it.
 */
const OPCODE = 0x0f
const LENGTH = 0x7f
export const TEXT = 0x1
export const CLOSE = 0x8
export const PING = 0x9

export class FrameReader {
  #onFrame
  #rest = Buffer.alloc(0)

  /** @param {(opcode: number, bytes: Buffer, start: number, end: number) => void} onFrame The payload is `bytes` from `start` to `end`. */
  constructor(onFrame) {
    this.#onFrame = onFrame
  }

  /** @param {Buffer} data What the socket brought. */
  read(data) {
    const bytes = this.#rest.length > 0 ? Buffer.concat([this.#rest, data]) : data
    let at = 0
    while (at + 2 <= bytes.length) {
      let start = at + 2
      let length = bytes[at + 1] & LENGTH
      if (length === 126) {
        if (at + 4 > bytes.length) break
        length = bytes.readUInt16BE(start)
        start += 2
      } else if (length === 127) {
        if (at + 10 > bytes.length) break
        length = Number(bytes.readBigUInt64BE(start))
        start += 8
      }
      const end = start + length
      if (end > bytes.length) break
      this.#onFrame(bytes[at] & OPCODE, bytes, start, end)
      at = end
    }
    this.#rest = bytes.subarray(at)
  }
}

/** The frame with which a client answers this ping, masked with zeros. */
export function pong(bytes, start, end) {
  const payload = bytes.subarray(start, end)
  return Buffer.concat([Buffer.from([0x8a, 0x80 | payload.length, 0, 0, 0, 0]), payload])
}
