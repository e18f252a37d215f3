/**
 * The frames between a client and a server that a history records: their shape, and the event of each. A frame of a known type
 * with another shape is an error; frames of other types are ignored.
 */
import { z } from 'zod'
import { presenceChanges, type NewEvent } from './history-events.js'
import { digestOf } from './history.js'

const text = z.string()
const offset = z.number()
const channels = z.array(text).readonly()
const recovered = z.boolean().nullable()

const frame = z.discriminatedUnion('type', [
  z.object({ type: z.literal('welcome'), session: text, cursor: text, recovered, channels, node: text }),
  z.object({
    type: z.literal('message'),
    channel: text,
    from: text,
    id: text.optional(),
    offset,
    data: z.unknown(),
    at: text,
  }),
  z.object({ type: z.literal('direct'), from: text, id: text.optional(), offset, data: z.unknown(), at: text }),
  z.object({ type: z.literal('presence'), offset, changes: presenceChanges }),
  z.object({ type: z.literal('ack'), id: text.optional(), offset }),
  z.object({ type: z.literal('pong'), offset }),
  z.object({ type: z.literal('subscribed'), id: text.optional(), channels, cursor: text, recovered }),
  z.object({ type: z.literal('unsubscribed'), id: text.optional(), channels, cursor: text, recovered }),
  z.object({
    type: z.literal('error'),
    id: text.optional(),
    code: text,
    temporary: z.boolean(),
    retryInMs: z.number().optional(),
  }),
])
/** A frame of the server. */
export type Frame = z.infer<typeof frame>
export type FrameOf<Type extends Frame['type']> = Extract<Frame, { type: Type }>

const RECORDED = new Set<unknown>(frame.options.map((option) => option.shape.type.value))

const typed = z.looseObject({ type: text })

/**
 * @returns `undefined` for a type that no history records.
 * @throws {Error} The text is no frame of the protocol.
 */
export function parseFrame(json: string): Frame | undefined {
  const message = typed.parse(JSON.parse(json))
  return RECORDED.has(message.type) ? frame.parse(message) : undefined
}

/** The event of a frame that this connection received. */
export function eventOf(connection: string, received: Frame): NewEvent {
  switch (received.type) {
    case 'welcome': {
      const { type, cursor, recovered, channels, node } = received
      return { type, connection, cursor, recovered, channels, node }
    }
    case 'message': {
      const { type, channel, from, id, offset, data, at } = received
      return { type, connection, channel, from, id, offset, digest: digestOf(data), saidAt: at }
    }
    case 'direct': {
      const { type, from, id, offset, data, at } = received
      return { type, connection, from, id, offset, digest: digestOf(data), saidAt: at }
    }
    case 'presence':
    case 'ack':
    case 'pong':
      return { ...received, connection }
    case 'subscribed':
    case 'unsubscribed': {
      const { type, id, channels, cursor, recovered } = received
      return { type, connection, request: id, channels, cursor, recovered }
    }
    case 'error':
      return { type: 'refused', connection, id: received.id, code: received.code }
  }
}

const request = {
  id: text.optional(),
  channels,
  since: text.optional(),
}
const sent = z.discriminatedUnion('type', [
  z.object({ type: z.literal('subscribe'), ...request }),
  z.object({ type: z.literal('unsubscribe'), ...request }),
  z.object({ type: z.literal('message'), id: text.optional() }),
  z.object({ type: z.literal('direct'), id: text.optional() }),
  z.object({ type: z.literal('ping') }),
])

/**
 * The event of a frame that this connection sends; `undefined` for a ping.
 *
 * @throws {Error} The text is no frame of a client.
 */
export function sentEventOf(connection: string, json: string): NewEvent | undefined {
  const message = sent.parse(JSON.parse(json))
  switch (message.type) {
    case 'subscribe':
    case 'unsubscribe': {
      const { type, id, channels, since } = message
      return { type, connection, request: id, channels, since }
    }
    case 'message':
    case 'direct':
      return { type: 'send', connection, id: message.id }
    case 'ping':
      return undefined
  }
}
