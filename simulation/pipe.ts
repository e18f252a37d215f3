/**
 * One direction of a simulated TCP connection: bytes arrive in order, in parts of any size, after a delay. A receiver that does
 * not read fills the network and then the sender's buffer.
 */
import type { Random } from '#e2e/chaos/random.js'
import type { Scheduler } from './scheduler.js'

export interface PipeOptions {
  readonly scheduler: Scheduler
  readonly random: Random
  readonly delayMs: number
  /** The number of bytes that the network holds before the receiver reads them. */
  readonly windowBytes: number
  readonly onBytes: (bytes: Buffer) => void
  /** The sender has ended the direction, and everything before that has arrived. */
  readonly onEnd: () => void
  /** The sender's buffer is empty again. */
  readonly onDrain: () => void
}

const END = 'end'

export class Pipe {
  readonly #options: PipeOptions
  /** The bytes that the network has not accepted yet. */
  #queue: Buffer[] = []
  #queuedBytes = 0
  #isEnding = false
  #hasEnded = false
  /** The bytes that have arrived and are unread. */
  #arrived: (Buffer | typeof END)[] = []
  #inFlight = 0
  #lastArrivalMs = 0
  #isRead = true
  #stalledUntilMs = 0
  #isCut = false

  constructor(options: PipeOptions) {
    this.#options = options
  }

  get queuedBytes(): number {
    return this.#queuedBytes
  }

  write(bytes: Buffer): void {
    if (this.#isCut || this.#isEnding) return
    this.#queue.push(bytes)
    this.#queuedBytes += bytes.length
    this.#pump()
  }

  end(): void {
    if (this.#isCut || this.#isEnding) return
    this.#isEnding = true
    this.#pump()
  }

  /** Stops the arrival of bytes for good. */
  cut(): void {
    this.#isCut = true
    this.#queue = []
    this.#arrived = []
  }

  /** Ends the direction without the bytes that the network has not accepted yet. */
  reset(): void {
    this.#queue = []
    this.#queuedBytes = 0
    this.end()
  }

  /** Stops the arrival of bytes for this time. */
  stall(ms: number): void {
    this.#stalledUntilMs = Math.max(this.#stalledUntilMs, this.#options.scheduler.nowMs + ms)
  }

  /** Whether the receiver reads. */
  set isRead(isRead: boolean) {
    this.#isRead = isRead
    if (isRead) this.#options.scheduler.after(0, () => this.#read())
  }

  #pump(): void {
    const { random, windowBytes } = this.#options
    while (this.#inFlight < windowBytes) {
      const [first] = this.#queue
      if (!first) break
      const room = Math.min(first.length, windowBytes - this.#inFlight)
      // Most parts are whole; the others end anywhere, in the middle of a frame too.
      const size = random.chance(0.8) ? room : random.between(1, room)
      const part = first.subarray(0, size)
      if (size === first.length) this.#queue.shift()
      else this.#queue[0] = first.subarray(size)
      this.#queuedBytes -= size
      this.#inFlight += size
      this.#send(part)
    }
    if (!this.#isEnding || this.#hasEnded || this.#queue.length > 0) return
    this.#hasEnded = true
    this.#send(END)
  }

  #send(part: Buffer | typeof END): void {
    const { scheduler, random, delayMs } = this.#options
    const usualMs = scheduler.nowMs + delayMs * (0.5 + random.next())
    this.#lastArrivalMs = Math.max(this.#lastArrivalMs, this.#stalledUntilMs, usualMs)
    scheduler.after(this.#lastArrivalMs - scheduler.nowMs, () => {
      if (this.#isCut) return
      this.#arrived.push(part)
      this.#read()
    })
  }

  #read(): void {
    const { onBytes, onEnd, onDrain } = this.#options
    while (this.#isRead && !this.#isCut) {
      const part = this.#arrived.shift()
      if (part === undefined) break
      if (part === END) {
        onEnd()
        continue
      }
      const wasQueued = this.#queuedBytes > 0
      this.#inFlight -= part.length
      onBytes(part)
      this.#pump()
      if (wasQueued && this.#queuedBytes === 0) onDrain()
    }
  }
}
