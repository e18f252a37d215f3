/**
 * The events of a history, and the terms by which it is judged. The schemas check a history that was kept in a file or that
 * another process wrote; the types follow from them.
 */
import { z } from 'zod'

const text = z.string()
const number = z.number()
const channels = z.array(text).readonly()
const optionalText = text.optional()
const recovered = z.boolean().nullable()

const presenceChange = z
  .object({
    channel: text,
    joined: z.array(text).readonly(),
    left: z.array(text).readonly(),
    joinedCount: number,
    leftCount: number,
    count: number,
  })
  .readonly()
export const presenceChanges = z.array(presenceChange).readonly()

/**
 * An event of this type. `at` is in milliseconds since the history began, to the hundredth. A `connection` is one WebSocket of
 * one client.
 */
const event = <const Type extends string, Shape extends z.core.$ZodLooseShape>(type: Type, shape: Shape) =>
  z.object({ type: z.literal(type), at: number, ...shape }).readonly()

/** The actions of the clients' applications, and what their clients tell them. */
const ofApplications = [
  event('client', { client: text, kind: z.enum(['library', 'plain', 'reader']) }),
  /** The client wants a channel from now on, or no longer. The channels of its first handshake are not mentioned. */
  event('wants', { client: text, channel: text }),
  event('done-with', { client: text, channel: text }),
  /** The application publishes to a channel or to a client. */
  event('publish', { client: text, id: text, channel: optionalText, to: optionalText, digest: text }),
  /** The application learns that the journal contains its message. */
  event('settled', { client: text, id: text, offset: number }),
  /** The application learns that the server rejects its message, or that the outcome is unknown. */
  event('rejected', { client: text, id: text, code: text }),
  /** The application receives an entry. Only of clients by the library. */
  event('delivered', {
    client: text,
    kind: z.enum(['message', 'direct', 'presence']),
    channel: optionalText,
    offset: number,
  }),
  /** The application learns that entries may be missing. Only of clients by the library. */
  event('missed', { client: text, channels }),
  /** The application learns that its client has reconnected, has another state, or is served by another instance. */
  event('returned', { client: text, recovered: z.boolean() }),
  event('state', { client: text, state: text }),
  event('moved', { client: text, from: text, to: text }),
] as const

/** The frames that connections send and receive. */
const ofConnections = [
  event('connect', { client: text, connection: text, cursor: optionalText, channels }),
  event('welcome', { connection: text, cursor: text, recovered, channels, node: text }),
  event('message', {
    connection: text,
    channel: text,
    from: text,
    id: optionalText,
    offset: number,
    digest: text,
    saidAt: text,
  }),
  event('direct', { connection: text, from: text, id: optionalText, offset: number, digest: text, saidAt: text }),
  event('presence', { connection: text, offset: number, changes: presenceChanges }),
  event('ack', { connection: text, id: optionalText, offset: number }),
  event('pong', { connection: text, offset: number }),
  event('send', { connection: text, id: optionalText }),
  event('subscribe', { connection: text, request: optionalText, channels, since: optionalText }),
  event('unsubscribe', { connection: text, request: optionalText, channels, since: optionalText }),
  event('subscribed', { connection: text, request: optionalText, channels, cursor: text, recovered }),
  event('unsubscribed', { connection: text, request: optionalText, channels, cursor: text, recovered }),
  event('refused', { connection: text, id: optionalText, code: text }),
  event('closed', { connection: text, code: number }),
  /** The client does not listen to this connection any more. */
  event('given-up', { connection: text }),
] as const

const ofTheRun = [
  /** The first event: Date.now() beside `at`. */
  event('begin', { wallMs: number }),
  event('server', {
    instance: text,
    what: z.enum(['started', 'killed', 'stopped', 'fault']),
    text: optionalText,
  }),
  /**
   * `lost`: the broker has lost confirmed entries: those behind this place, or, without a place, all of them. Until then nobody
   * had read anything of what follows there; every server may be connected again from the next `joined` on.
   */
  event('broker', {
    what: z.enum(['lost', 'joined']),
    epoch: optionalText,
    offset: number.optional(),
    text,
  }),
  /** What the run waited for did not happen. */
  event('stuck', { text }),
] as const

const historyEvent = z.discriminatedUnion('type', [...ofApplications, ...ofConnections, ...ofTheRun])
export type HistoryEvent = z.infer<typeof historyEvent>

/** An event of this type. */
export type EventOf<Type extends HistoryEvent['type']> = Extract<HistoryEvent, { type: Type }>

type WithoutTime<Event> = Event extends HistoryEvent ? Omit<Event, 'at'> : never
/** An event before the history gives it its time. */
export type NewEvent = WithoutTime<HistoryEvent>

const termsSchema = z
  .object({
    /** HISTORY_SIZE. */
    historySize: number,
    /** HISTORY_TTL in milliseconds. */
    historyTtlMs: number,
    instances: number,
    presence: z.boolean(),
    /** The journal is on another machine, which fails. */
    isRemote: z.boolean().optional(),
    /** The run has come to its end, all clients have been connected and caught up: nothing may be open. */
    complete: z.boolean(),
  })
  .readonly()
/** What the servers promised in a run. */
export type Terms = z.infer<typeof termsSchema>

export interface HistoryFile {
  readonly terms: Terms
  readonly events: readonly HistoryEvent[]
}

const historyFile = z.object({ terms: termsSchema, events: z.array(historyEvent) })

/** @throws {Error} The text is no JSON, or not that of a history. */
export const parseHistoryFile = (json: string): HistoryFile => historyFile.parse(JSON.parse(json))

/** @throws {Error} The text is no JSON, or not that of a list of events. */
export const parseEvents = (json: string): HistoryEvent[] => z.array(historyEvent).parse(JSON.parse(json))
