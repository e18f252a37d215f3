/**
 * The names on the wire and their syntax. The server checks each of them on receipt.
 */

/** A client's name: 1–64 of `a-z A-Z 0-9 _ -` (the specification's "Input Validation", with a bound). */
export const CLIENT_ID_PATTERN = /^[a-zA-Z0-9_-]{1,64}$/

/** A channel's name: 1–64 of `a-z A-Z 0-9 _ . : -`. */
export const CHANNEL_PATTERN = /^[a-zA-Z0-9_.:-]{1,64}$/

/** The channel to which every client is subscribed. */
export const LOBBY = 'lobby'

/** The longest message id, in UTF-16 code units. */
export const MAX_MESSAGE_ID_LENGTH = 64

/** The name of a build: 1–128 of letters, digits and `. _ + : @ / -`. */
export const BUILD_PATTERN = /^[\w.+:@/-]{1,128}$/

/** The value of `Sec-WebSocket-Protocol` that selects the strict dialect. */
export const SUBPROTOCOL = 'lastcall.v1'

export const isClientId = (value: unknown): value is string =>
  typeof value === 'string' && CLIENT_ID_PATTERN.test(value)

export const isChannel = (value: unknown): value is string => typeof value === 'string' && CHANNEL_PATTERN.test(value)

export const isBuild = (value: unknown): value is string => typeof value === 'string' && BUILD_PATTERN.test(value)

export const isMessageId = (value: unknown): value is string =>
  typeof value === 'string' && value.length > 0 && value.length <= MAX_MESSAGE_ID_LENGTH
