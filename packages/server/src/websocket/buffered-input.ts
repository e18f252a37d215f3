/**
 * The bytes that `ws` has read and not reported yet: those of an incomplete frame, and the fragments of an incomplete message.
 * `ws` has no interface for them, so this file reads fields of its receiver. `checkBufferedInput` compares the result with what
 * the installed version of `ws` does; if they differ, the server reads none of these fields.
 */
import { invariant } from '../invariant.js'

/** The fields of `lib/receiver.js` of ws 8.23. */
interface Receiver {
  readonly _state: number
  readonly _fin: boolean
  /** Of the incomplete frame; a continuation has the opcode of its message here. */
  readonly _opcode: number
  /** The length of the incomplete frame, or 126 or 127 before the extended length was read. */
  readonly _payloadLength: number
  readonly _mask: Buffer | undefined
  /** The opcode of the incomplete message; 0: there is none. */
  readonly _fragmented: number
  /** The payloads of the frames of the incomplete message that are complete, without their masks. */
  readonly _fragments: readonly Buffer[]
  /** The bytes after the last complete part of a header. */
  readonly _buffers: readonly Buffer[]
}

/** The states of the receiver in which it waits for more bytes. */
const GET_INFO = 0
const GET_PAYLOAD_LENGTH_16 = 1
const GET_PAYLOAD_LENGTH_64 = 2
const GET_MASK = 3
const GET_DATA = 4

const FIN = 0x80
const MASKED = 0x80
const FIRST_CONTROL_OPCODE = 8
const CONTINUATION = 0
const NO_MASK = Buffer.alloc(4)

/**
 * The buffered bytes as a client would have sent them: another receiver that reads them, and then the rest of the stream,
 * reports the same messages. `undefined`: the receiver is in a state in which it does not wait for bytes.
 */
export function bufferedInput(webSocket: object): Buffer | undefined {
  const receiver = receiverOf(webSocket)
  if (!receiver || receiver._state > GET_DATA) return undefined
  const isInFrame = receiver._state !== GET_INFO
  const isDataFrame = isInFrame && receiver._opcode < FIRST_CONTROL_OPCODE
  const parts: Buffer[] = []
  for (const fragment of receiver._fragments) {
    parts.push(
      header({ fin: false, opcode: parts.length === 0 ? receiver._fragmented : CONTINUATION }, fragment.length),
    )
    parts.push(NO_MASK, fragment)
  }
  const hasBegun = parts.length > 0
  // `ws` stores no empty fragment. The frame that follows an empty first fragment can begin the message itself, unless it is a
  // control frame or has not begun.
  if (receiver._fragmented !== 0 && !hasBegun && !isDataFrame) {
    parts.push(header({ fin: false, opcode: receiver._fragmented }, 0), NO_MASK)
  }
  if (isInFrame) parts.push(...frameStart(receiver, isDataFrame && hasBegun))
  return Buffer.concat([...parts, ...receiver._buffers])
}

/** The part of the incomplete frame's header that the receiver has read. */
function frameStart(receiver: Receiver, isContinuation: boolean): Buffer[] {
  const { _state: state, _fin: fin, _opcode, _payloadLength: length, _mask: mask } = receiver
  const opcode = isContinuation ? CONTINUATION : _opcode
  if (state === GET_PAYLOAD_LENGTH_16 || state === GET_PAYLOAD_LENGTH_64) {
    return [Buffer.from([(fin ? FIN : 0) | opcode, MASKED | length])]
  }
  const start = header({ fin, opcode }, length)
  if (state === GET_MASK) return [start]
  invariant(mask, 'ws reads the payload after the mask')
  return [start, mask]
}

/** RFC 6455 section 5.2, without the mask. */
function header({ fin, opcode }: { fin: boolean; opcode: number }, length: number): Buffer {
  const first = (fin ? FIN : 0) | opcode
  if (length < 126) return Buffer.from([first, MASKED | length])
  if (length < 65_536) return Buffer.from([first, MASKED | 126, length >> 8, length & 255])
  const bytes = Buffer.alloc(10)
  bytes[0] = first
  bytes[1] = MASKED | 127
  bytes.writeBigUInt64BE(BigInt(length), 2)
  return bytes
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null

const FIELDS = {
  _state: (value: unknown) => typeof value === 'number',
  _fin: (value: unknown) => typeof value === 'boolean',
  _opcode: (value: unknown) => typeof value === 'number',
  _payloadLength: (value: unknown) => typeof value === 'number',
  _mask: (value: unknown) => value === undefined || Buffer.isBuffer(value),
  _fragmented: (value: unknown) => typeof value === 'number',
  _fragments: (value: unknown) => Array.isArray(value) && value.every((each) => Buffer.isBuffer(each)),
  _buffers: (value: unknown) => Array.isArray(value) && value.every((each) => Buffer.isBuffer(each)),
} as const satisfies Record<keyof Receiver, (value: unknown) => boolean>

/** `undefined`: this version of `ws` has no such receiver. */
function receiverOf(webSocket: object): Receiver | undefined {
  const receiver = '_receiver' in webSocket ? webSocket._receiver : undefined
  return isReceiver(receiver) ? receiver : undefined
}

function isReceiver(value: unknown): value is Receiver {
  if (!isObject(value)) return false
  const fields = value as Readonly<Record<string, unknown>>
  return Object.entries(FIELDS).every(([name, fits]) => fits(fields[name]))
}
