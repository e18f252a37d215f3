/**
 * The messages of a publisher as bytes, made once and numbered in place, and how a subscriber reads the number back: the load
 * must cost less than what it measures. A message's data is a JSON string that begins with the publisher and the number.
 */
import { textFrame } from '../frames.js'

const PUBLISHER_DIGITS = 3
const NUMBER_DIGITS = 9
const ZERO = 0x30
const IN_TEXT = Buffer.from('"data":"')
const IN_ID = Buffer.from('"id":"')
const MAX_FAULTS = 10

export const channelOf = (publisher: number): string => `c${String(publisher).padStart(PUBLISHER_DIGITS, '0')}`

/** Makes the frames of one publisher, with consecutive numbers from 1 on. */
export class MessageFrames {
  readonly #bytes: Buffer
  readonly #length: number
  readonly #dataAt: number
  readonly #idAt: number
  #next = 1

  /**
   * @param size Of the data, in bytes.
   * @param most Frames at a time.
   */
  constructor(publisher: number, size: number, most: number) {
    const name = String(publisher).padStart(PUBLISHER_DIGITS, '0')
    const number = '0'.repeat(NUMBER_DIGITS)
    const data = `${name} ${number} `.padEnd(size - 2, 'x')
    const one = textFrame(JSON.stringify({ type: 'message', channel: channelOf(publisher), data, id: number }))
    this.#length = one.length
    this.#bytes = Buffer.concat(Array.from({ length: most }, () => one))
    this.#dataAt = one.indexOf(IN_TEXT) + IN_TEXT.length + PUBLISHER_DIGITS + 1
    this.#idAt = one.indexOf(IN_ID) + IN_ID.length
  }

  /** The next `count` frames as one buffer of its own. */
  take(count: number): Buffer {
    for (let index = 0; index < count; index++) {
      const at = index * this.#length
      writeNumber(this.#bytes, at + this.#dataAt, this.#next)
      writeNumber(this.#bytes, at + this.#idAt, this.#next)
      this.#next++
    }
    return Buffer.from(this.#bytes.subarray(0, count * this.#length))
  }
}

function writeNumber(bytes: Buffer, at: number, number: number): void {
  let rest = number
  for (let digit = at + NUMBER_DIGITS - 1; digit >= at; digit--) {
    bytes[digit] = ZERO + (rest % 10)
    rest = Math.trunc(rest / 10)
  }
}

/** NaN where the bytes end before. */
function readNumber(bytes: Buffer, at: number, digits: number): number {
  let number = 0
  for (let index = at; index < at + digits; index++) number = number * 10 + (bytes[index] ?? NaN) - ZERO
  return number
}

/**
 * Checks that a subscriber receives each message of each publisher once and in order, and remembers the order of all of
 * them as a digest: two subscribers with the same digest received the same messages in the same order.
 */
export class OrderCheck {
  delivered = 0
  digest = 0
  /** The first faults, as text. */
  readonly faults: string[] = []
  readonly #newest = new Map<number, number>()

  /** @param bytes A `message` frame of the server, from `start` to `end`. */
  take(bytes: Buffer, start: number, end: number): void {
    const at = bytes.indexOf(IN_TEXT, start) + IN_TEXT.length
    const publisher = readNumber(bytes, at, PUBLISHER_DIGITS)
    const number = readNumber(bytes, at + PUBLISHER_DIGITS + 1, NUMBER_DIGITS)
    const expected = (this.#newest.get(publisher) ?? 0) + 1
    if (at >= end || number !== expected) this.fault(`publisher ${publisher}: ${number} in place of ${expected}`)
    this.#newest.set(publisher, number)
    this.delivered++
    this.digest = Math.imul(this.digest ^ (publisher * 1_000_003 + number), 16_777_619) >>> 0
  }

  fault(text: string): void {
    if (this.faults.length < MAX_FAULTS) this.faults.push(text)
  }
}
