/**
 * Counts the frames in a peer's input before `ws` parses them, so that a transport can stop between two frames and charge
 * frames that `ws` does not report (fragments). It reads headers only (RFC 6455 section 5.2); `ws` detects invalid frames.
 */

/** A fragment of at least this many bytes is not charged as a frame: its bytes cost the same in any number of fragments. */
const LARGE_FRAGMENT_BYTES = 1024

const CONTINUATION = 0
const FIRST_CONTROL_OPCODE = 8
const MASK_BYTES = 4

export class FrameMeter {
  /** The frames that began in the last measured part. */
  frames = 0
  /** The frames of that part that begin no message: control frames, and small continuations. */
  extraFrames = 0
  /** The bytes of the present frame, mask included, that have not arrived yet. */
  #bytesLeft = 0
  /** The number of bytes of the present header that have been read. */
  #headerBytes = 0
  #opcode = 0
  #length = 0
  #lengthBytes = 0

  /** Measures a chunk. Returns where to stop: at the end of the chunk, or before the frame that exceeds the limit. */
  measure(chunk: Buffer, maxFrames: number): number {
    this.frames = 0
    this.extraFrames = 0
    let at = 0
    while (at < chunk.length) {
      if (this.#bytesLeft > 0) {
        const taken = Math.min(this.#bytesLeft, chunk.length - at)
        this.#bytesLeft -= taken
        at += taken
        continue
      }
      if (this.#headerBytes === 0 && this.frames === maxFrames) break
      this.#readHeader(chunk[at++] as number)
    }
    return at
  }

  #readHeader(byte: number): void {
    const index = this.#headerBytes++
    if (index === 0) {
      this.#opcode = byte & 0x0f
      return
    }
    if (index === 1) {
      const short = byte & 0x7f
      this.#lengthBytes = short < 126 ? 0 : short === 126 ? 2 : 8
      this.#length = this.#lengthBytes === 0 ? short : 0
    } else this.#length = this.#length * 256 + byte
    if (this.#headerBytes < 2 + this.#lengthBytes) return
    this.#headerBytes = 0
    this.#bytesLeft = MASK_BYTES + this.#length
    this.frames++
    const isSmallFragment = this.#opcode === CONTINUATION && this.#length < LARGE_FRAGMENT_BYTES
    if (isSmallFragment || this.#opcode >= FIRST_CONTROL_OPCODE) this.extraFrames++
  }
}
