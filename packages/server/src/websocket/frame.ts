/**
 * Server frames (RFC 6455 section 5.2): unmasked, uncompressed, never fragmented. `ws` does not encode them, so that one frame
 * serves all recipients and several frames can be joined into one write.
 */

const FIN_TEXT = 0x81
const FIN_PING = 0x89

/** A text frame. */
export function encodeTextFrame(text: string): Buffer {
  const length = Buffer.byteLength(text)
  if (length < 126) {
    const frame = Buffer.allocUnsafe(2 + length)
    frame[0] = FIN_TEXT
    frame[1] = length
    frame.write(text, 2)
    return frame
  }
  if (length < 65536) {
    const frame = Buffer.allocUnsafe(4 + length)
    frame[0] = FIN_TEXT
    frame[1] = 126
    frame.writeUInt16BE(length, 2)
    frame.write(text, 4)
    return frame
  }
  const frame = Buffer.allocUnsafe(10 + length)
  frame[0] = FIN_TEXT
  frame[1] = 127
  frame.writeBigUInt64BE(BigInt(length), 2)
  frame.write(text, 10)
  return frame
}

/** The text of a frame that `encodeTextFrame` made. */
export function decodeTextFrame(frame: Buffer): string {
  const length = frame[1] ?? 0
  return frame.toString('utf8', length < 126 ? 2 : length === 126 ? 4 : 10)
}

/** A ping without a payload: the same bytes for all connections. */
export const PING_FRAME: Buffer = Buffer.from([FIN_PING, 0])
