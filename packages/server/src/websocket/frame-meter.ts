/**
 * Counts the frames in what a peer sends, before `ws` parses them: so a transport can stop between two frames, and frames
 * of which `ws` says nothing (fragments) can be charged for. It reads headers only (RFC 6455 section 5.2); `ws` finds the
 * faults.
 */

/** A fragment of at least this many bytes is not charged for: it costs what its bytes cost, however they are cut. */
const LARGE_FRAGMENT_BYTES = 1024

const CONTINUATION = 0
const FIRST_CONTROL_OPCODE = 8
const MASK_BYTES = 4

export class FrameMeter {
  /** The frames that began in the last measured part. */
  frames = 0
  /** Those of them that begin no message: control frames, and continuations that are not large. */
  extraFrames = 0
  /** Bytes of the present frame, its mask included, that are still to come. */
  #bytesLeft = 0
  /** Bytes of the present header that have been read. */
  #headerBytes = 0
  #opcode = 0
  #length = 0
  #lengthBytes = 0

  /** Reads on. The answer is where to stop: at the end of the chunk, or before the frame that would be one too many. */
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
