/**
 * Parses the frames of the server. A frame that does not follow the protocol is a value here, because a wrong URL leads to
 * servers that speak another protocol.
 */
import type { ServerMessage } from './messages.js'

type Check = (value: unknown) => boolean

const text: Check = (value) => typeof value === 'string'
const flag: Check = (value) => typeof value === 'boolean'
const amount: Check = (value) => typeof value === 'number' && value >= 0
const offset: Check = (value) => Number.isSafeInteger(value) && amount(value)
const cursor: Check = (value) => text(value) && /^[!-~]{1,256}$/.test(value as string)
const texts: Check = (value) => Array.isArray(value) && value.every(text)
const present: Check = (value) => value !== undefined
const optional =
  (check: Check, absent?: null): Check =>
  (value) =>
    value === absent || check(value)

const id = optional(text)
const place = { offset, cursor: optional(cursor) }
const changes: Check = (value) =>
  Array.isArray(value) && value.every((change: { channel?: unknown } | null) => text(change?.channel))
const answer = { id, channels: texts, cursor, recovered: optional(flag, null) }

/** The fields on which the client relies. It passes on all others unchecked. */
const FRAMES: Readonly<Record<ServerMessage['type'], Readonly<Record<string, Check>>>> = {
  welcome: {
    clientId: text,
    session: text,
    cursor,
    recovered: optional(flag, null),
    channels: texts,
    node: text,
    build: optional(text),
    active: optional(amount),
    heartbeatSeconds: amount,
  },
  rejected: { retryInMs: optional(amount) },
  closing: { returnInMs: amount },
  message: { ...place, channel: text, from: text, data: present, id },
  direct: { ...place, from: text, data: present, id },
  ack: { ...place, id },
  presence: { ...place, changes },
  periodic: {},
  shutdown: { deadlineInMs: amount, leaveInMs: optional(amount, null), returnInMs: optional(amount) },
  shutdownCancelled: {},
  subscribed: answer,
  unsubscribed: answer,
  error: { code: text, message: text, temporary: flag, id, retryInMs: optional(amount), count: optional(amount) },
  pong: place,
}

/**
 * Parses one frame.
 *
 * @param parse Parses the frame in place of JSON.parse.
 * @returns `undefined`: the client does not know this type, and ignores the frame.
 * @throws When the frame does not follow the protocol, or `parse` fails.
 */
export function readFrame(frame: unknown, parse?: (json: string) => unknown): ServerMessage | undefined {
  if (typeof frame !== 'string') throw new TypeError('a binary frame')
  const message = JSON.parse(frame) as Record<string, unknown> | null
  const type = message?.['type']
  if (typeof type !== 'string') throw new TypeError('an object with a type is missing')
  if (!message || !Object.hasOwn(FRAMES, type)) return undefined
  for (const [field, check] of Object.entries(FRAMES[type as ServerMessage['type']])) {
    if (!check(message[field])) throw new TypeError(`${type} has a wrong ${field}`)
  }
  if (parse && 'data' in message) message['data'] = (parse(frame) as typeof message)['data']
  return message as unknown as ServerMessage
}
