/** Clients that note the offset of each message or ack that they receive, and the code with which the server closes them. */
import { CLOSE, FrameReader, TEXT } from '../frames.js'
import { openClients, type LoadClient } from '../load.js'

/** RFC 6455 section 7.4.1: the close frame has no code. */
const NO_CODE = 1005
/** The offset stands at the end of a frame's text, within so many bytes. */
const END_BYTES = 100

export class ReadingClient {
  readonly socket: LoadClient['socket']
  readonly send: LoadClient['send']
  readonly #received: Received

  constructor({ socket, send }: LoadClient, received: Received) {
    this.socket = socket
    this.send = send
    this.#received = received
  }

  /** In the order in which the client received them. */
  get offsets(): readonly number[] {
    return this.#received.offsets
  }

  /** `undefined` while the server has sent no close frame. */
  get closeCode(): number | undefined {
    return this.#received.closeCode
  }

  /** Whether the client has received the message with this offset. */
  hasReached(offset: number): boolean {
    return (this.offsets.at(-1) ?? -1) >= offset
  }

  /**
   * Whether the client has received each message from its first to its last one.
   *
   * @param published The offsets of all messages. They have gaps, because servers write entries, too.
   */
  isGapless(published: readonly number[]): boolean {
    const [first] = this.offsets
    if (first === undefined) return true
    const begin = published.indexOf(first)
    return this.offsets.every((offset, index) => offset === published[begin + index])
  }
}

/**
 * Opens `count` clients with the ids `name-0`, `name-1`, …
 *
 * @param onOffset Called with each offset that one of them receives.
 */
export async function openReaders(
  port: number,
  count: number,
  name: string,
  onOffset: () => void = () => undefined,
): Promise<ReadingClient[]> {
  const received = Array.from({ length: count }, () => new Received(onOffset))
  const clients = await openClients(count, { port, path: `/ws/${name}-%d` }, (data, index) =>
    received[index]?.frames.read(data),
  )
  return clients.map((client, index) => {
    const own = received[index]
    if (own === undefined) throw new Error(`there are more than ${count} clients`)
    return new ReadingClient(client, own)
  })
}

class Received {
  readonly offsets: number[] = []
  closeCode: number | undefined
  readonly frames: FrameReader

  constructor(onOffset: () => void) {
    this.frames = new FrameReader((opcode, bytes, start, end) => {
      if (opcode === CLOSE) this.closeCode = end - start >= 2 ? bytes.readUInt16BE(start) : NO_CODE
      if (opcode !== TEXT) return
      const text = bytes.toString('latin1', Math.max(start, end - END_BYTES), end)
      const offset = /"offset":(\d+)/.exec(text)?.[1]
      if (offset === undefined) return
      this.offsets.push(Number(offset))
      onOffset()
    })
  }
}
