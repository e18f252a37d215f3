/**
 * The messages of a client, and the parser through which all of them pass. Wrong input is a value (`Refusal`), never an
 * exception.
 */
import { parseCursor, type Cursor } from './cursor.js'
import { findDataText } from './data-text.js'
import type { ErrorCode } from './error-codes.js'
import { isChannel, isClientId, isMessageId, LOBBY } from './identifiers.js'

/** A message for all subscribers of a channel. */
export interface PublishMessage {
  readonly type: 'message'
  readonly channel: string
  /** The data as JSON text, exactly as the client sent it: the server passes it on byte for byte. */
  readonly data: string
  /** Unique for this client: the server treats a second message with it as a retry. */
  readonly id: string | undefined
  /**
   * The id of the previous message: if the server refuses that one temporarily, it refuses this one, too. This keeps the order
   * of retries.
   */
  readonly after: string | undefined
}

/** A message to one client. */
export interface SendDirectMessage {
  readonly type: 'direct'
  readonly to: string
  readonly data: string
  readonly id: string | undefined
  readonly after: string | undefined
}

export interface SubscribeMessage {
  readonly type: 'subscribe'
  readonly channels: readonly string[]
  /** Replay the entries of these channels after this cursor. The server answers `malformed` with `recovered: false`. */
  readonly since: Cursor | 'malformed' | undefined
  /** The answer repeats it. */
  readonly id: string | undefined
}

export interface UnsubscribeMessage {
  readonly type: 'unsubscribe'
  readonly channels: readonly string[]
  /** The answer repeats it. */
  readonly id: string | undefined
}

export interface PingMessage {
  readonly type: 'ping'
}

export type ClientMessage = PublishMessage | SendDirectMessage | SubscribeMessage | UnsubscribeMessage | PingMessage

/** The fault of a message. `detail` is for developers, in English; `id` is the message's own, if it has one. */
export interface Refusal {
  readonly type: 'refusal'
  readonly code: Extract<ErrorCode, 'bad_message' | 'unknown_type'>
  readonly detail: string
  readonly id: string | undefined
}

/**
 * Parses one text frame.
 *
 * @param strict The connection uses `lastcall.v1`: every text must be one of the messages. Otherwise any other text is a
 *   message to the lobby, with the text itself as its data.
 */
export function parseClientMessage(text: string, strict: boolean): ClientMessage | Refusal {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return strict ? refusal('bad_message', 'not JSON') : plainMessage(text)
  }
  if (!isObject(value) || typeof value['type'] !== 'string') {
    return strict ? refusal('bad_message', 'not an object with a type') : plainMessage(text)
  }
  const parse = Object.hasOwn(PARSERS, value['type']) ? PARSERS[value['type'] as ClientMessage['type']] : undefined
  if (parse) return parse(value, text)
  return strict
    ? refusal('unknown_type', `type is one of ${Object.keys(PARSERS).join(', ')}`, value['id'])
    : plainMessage(text)
}

const plainMessage = (text: string): PublishMessage => ({
  type: 'message',
  channel: LOBBY,
  data: JSON.stringify(text),
  id: undefined,
  after: undefined,
})

type Fields = Readonly<Record<string, unknown>>

const PARSERS: Readonly<Record<ClientMessage['type'], (fields: Fields, text: string) => ClientMessage | Refusal>> = {
  message(fields, text) {
    const channel = fields['channel'] ?? LOBBY
    if (!isChannel(channel)) return refusal('bad_message', 'channel is 1–64 of a-z A-Z 0-9 _ . : -', fields['id'])
    const said = parseSaid(fields, text)
    return said.type === 'refusal' ? said : { ...said, type: 'message', channel }
  },
  direct(fields, text) {
    const to = fields['to']
    if (!isClientId(to)) return refusal('bad_message', 'to is a clientId', fields['id'])
    const said = parseSaid(fields, text)
    return said.type === 'refusal' ? said : { ...said, type: 'direct', to }
  },
  subscribe(fields) {
    const asked = parseChannels(fields)
    if (asked.type === 'refusal') return asked
    const since = fields['since'] ?? undefined
    if (since === undefined) return { ...asked, type: 'subscribe', since }
    return { ...asked, type: 'subscribe', since: (typeof since === 'string' && parseCursor(since)) || 'malformed' }
  },
  unsubscribe(fields) {
    const asked = parseChannels(fields)
    return asked.type === 'refusal' ? asked : { ...asked, type: 'unsubscribe' }
  },
  ping: () => ({ type: 'ping' }),
}

/** The limit of channels in one `subscribe` or `unsubscribe`. */
export const MAX_CHANNELS_PER_REQUEST = 100

type Asked = Omit<UnsubscribeMessage, 'type'> & { readonly type: 'asked' }

function parseChannels(fields: Fields): Asked | Refusal {
  const id = fields['id'] ?? undefined
  if (id !== undefined && !isMessageId(id)) return refusal('bad_message', WRONG_ID)
  const channels = fields['channels']
  return Array.isArray(channels) &&
    channels.length > 0 &&
    channels.length <= MAX_CHANNELS_PER_REQUEST &&
    channels.every(isChannel)
    ? { type: 'asked', channels: [...new Set(channels)], id }
    : refusal('bad_message', 'channels is a list of channel names', id)
}

type Said = Pick<PublishMessage, 'data' | 'id' | 'after'> & { readonly type: 'said' }

const WRONG_ID = 'id is 1–64 characters'

function parseSaid(fields: Fields, text: string): Said | Refusal {
  const id = fields['id'] ?? undefined
  if (id !== undefined && !isMessageId(id)) return refusal('bad_message', WRONG_ID)
  const after = fields['after'] ?? undefined
  if (after !== undefined && !isMessageId(after)) return refusal('bad_message', 'after is an id', id)
  const data = findDataText(text)
  if (data === undefined) return refusal('bad_message', 'data is missing', id)
  if (data.depth > MAX_DEPTH) {
    return refusal('bad_message', `data is nested more than ${MAX_DEPTH} levels deep`, id)
  }
  return { type: 'said', data: data.json, id, after }
}

/** The limit of nested lists and objects in `data`: many JSON parsers have a limit of their own. */
export const MAX_DEPTH = 1000

const refusal = (code: Refusal['code'], detail: string, id?: unknown): Refusal => ({
  type: 'refusal',
  code,
  detail,
  id: isMessageId(id) ? id : undefined,
})

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
