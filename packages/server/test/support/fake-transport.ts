/**
 * A socket that remembers what was done to it and says of itself what the test wants.
 */
import type { PauseReason } from '../../src/connections/transport.js'
import { UTF8_ENCODING, type TransportEncoding } from '../../src/connections/encoding.js'
import type { Transport } from '../../src/connections/transport.js'

export interface FakeTransportOptions {
  /** Called when the socket ends, with the code: after a close that the peer answers, or a termination. */
  readonly onEnd?: (code: number) => void
  /** Whether the peer answers a close. Default: true. */
  readonly answersClose?: boolean
  /** Default: UTF-8. */
  readonly encoding?: TransportEncoding
}

export class FakeTransport implements Transport {
  /** The written texts, one per write. */
  readonly writes: string[] = []
  /** The calls in order: `ping`, `pause`, `resume`, `close 1001 reason`, `terminate`. */
  readonly calls: string[] = []
  isOpen = true
  isFull = false
  bufferedBytes = 0
  onEnd: ((code: number) => void) | undefined
  readonly encoding: TransportEncoding
  readonly #answersClose: boolean

  constructor({ onEnd, answersClose = true, encoding = UTF8_ENCODING }: FakeTransportOptions = {}) {
    this.encoding = encoding
    this.onEnd = onEnd
    this.#answersClose = answersClose
  }

  /** The written texts, parsed. Each text ends with a line break or is alone in its write. */
  get messages(): Record<string, unknown>[] {
    return this.writes.flatMap((text) =>
      text
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as Record<string, unknown>),
    )
  }

  /** How often it was pinged. */
  get pings(): number {
    return this.calls.filter((call) => call === 'ping').length
  }

  write(frames: Buffer): void {
    if (this.isOpen) this.writes.push(frames.toString())
  }

  ping(): void {
    if (this.isOpen) this.calls.push('ping')
  }

  pause(reason: PauseReason): void {
    this.calls.push(`pause ${reason}`)
  }

  resume(reason: PauseReason): void {
    this.calls.push(`resume ${reason}`)
  }

  close(code: number, reason: string): void {
    if (!this.isOpen) return
    this.isOpen = false
    this.calls.push(`close ${code} ${reason}`)
    if (this.#answersClose) this.#end(code)
  }

  terminate(): void {
    this.calls.push('terminate')
    this.isOpen = false
    this.#end(1006)
  }

  /** The peer has gone. */
  end(code = 1006): void {
    this.isOpen = false
    this.#end(code)
  }

  #end(code: number): void {
    const { onEnd } = this
    this.onEnd = undefined
    onEnd?.(code)
  }
}
