/**
 * The messages of a publisher as bytes, made once and numbered in place, and how a subscriber reads the number back: the load
 * must cost less than what it measures. A message's data is a JSON string that begins with the publisher and the number.
 */
import { frame } from '../load.mjs'

const PUBLISHER_DIGITS = 3
const NUMBER_DIGITS = 9
const ZERO = 0x30
const IN_TEXT = Buffer.from('"data":"')
const IN_ID = Buffer.from('"id":"')

export const channelOf = (publisher) => `c${String(publisher).padStart(PUBLISHER_DIGITS, '0')}`

/** Makes the frames of one publisher, with consecutive numbers from 1 on. */
export class MessageFrames {
  #bytes
  #length
  #dataAt
  #idAt
  #next = 1

  /**
   * @param {number} publisher
   * @param {number} size Of the data, in bytes.
   * @param {number} most Frames at a time.
   */
  constructor(publisher, size, most) {
    const name = String(publisher).padStart(PUBLISHER_DIGITS, '0')
    const number = '0'.repeat(NUMBER_DIGITS)
    const data = `${name} ${number} `.padEnd(size - 2, 'x')
    const one = frame(JSON.stringify({ type: 'message', channel: channelOf(publisher), data, id: number }))
    this.#length = one.length
    this.#bytes = Buffer.concat(Array.from({ length: most }, () => one))
    this.#dataAt = one.indexOf(IN_TEXT) + IN_TEXT.length + PUBLISHER_DIGITS + 1
    this.#idAt = one.indexOf(IN_ID) + IN_ID.length
  }

  /** The newest number that was used. */
  get last() {
    return this.#next - 1
  }

  /** The next `count` frames as one buffer of its own. */
  take(count) {
    for (let index = 0; index < count; index++) {
      const at = index * this.#length
      writeNumber(this.#bytes, at + this.#dataAt, this.#next)
      writeNumber(this.#bytes, at + this.#idAt, this.#next)
      this.#next++
    }
    return Buffer.from(this.#bytes.subarray(0, count * this.#length))
  }
}

function writeNumber(bytes, at, number) {
  for (let digit = at + NUMBER_DIGITS - 1; digit >= at; digit--) {
    bytes[digit] = ZERO + (number % 10)
    number = Math.trunc(number / 10)
  }
}

function readNumber(bytes, at, digits) {
  let number = 0
  for (let index = at; index < at + digits; index++) number = number * 10 + bytes[index] - ZERO
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
  faults = []
  #newest = new Map()

  /** @param {Buffer} bytes A `message` frame of the server, from `start` to `end`. */
  take(bytes, start, end) {
    const at = bytes.indexOf(IN_TEXT, start) + IN_TEXT.length
    const publisher = readNumber(bytes, at, PUBLISHER_DIGITS)
    const number = readNumber(bytes, at + PUBLISHER_DIGITS + 1, NUMBER_DIGITS)
    const expected = (this.#newest.get(publisher) ?? 0) + 1
    if (at >= end || number !== expected) this.fault(`publisher ${publisher}: ${number} in place of ${expected}`)
    this.#newest.set(publisher, number)
    this.delivered++
    this.digest = Math.imul(this.digest ^ (publisher * 1_000_003 + number), 16_777_619) >>> 0
  }

  fault(text) {
    if (this.faults.length < 10) this.faults.push(text)
  }
}
