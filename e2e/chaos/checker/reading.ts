/**
 * A history, sorted by clients and connections. Judges nothing.
 */
import type { EventOf, HistoryEvent } from '../history-events.js'

type WithIndex<Event> = Event extends HistoryEvent ? Event & { readonly index: number } : never

/** An event with its place in the history. */
export type Indexed<Type extends HistoryEvent['type']> = WithIndex<EventOf<Type>>

/** A frame that a connection sent or received, or the end of a connection. */
export type FrameEvent = WithIndex<Exclude<Extract<HistoryEvent, { connection: string }>, { type: 'connect' }>>

export interface Connection {
  readonly id: string
  readonly client: string
  readonly connect: Indexed<'connect'>
  readonly frames: FrameEvent[]
  /** Of its first welcome, like the following two; `undefined`: it has none. */
  epoch: string | undefined
  node: string | undefined
  welcomedAt: number | undefined
}

/** An entry that the library passed to the application, and the connection that received it. */
export type Delivered = Indexed<'delivered'> & { readonly teller: Connection | undefined }

export type Outcome = Indexed<'settled' | 'rejected'>
export type Wish = Indexed<'wants' | 'done-with'>

export interface Client {
  readonly name: string
  kind: EventOf<'client'>['kind']
  readonly connections: readonly Connection[]
  /** id → the message */
  readonly publishes: ReadonlyMap<string, Indexed<'publish'>>
  /** id → its outcomes; more than one is a violation */
  readonly outcomes: ReadonlyMap<string, readonly Outcome[]>
  readonly wishes: readonly Wish[]
  readonly delivered: readonly Delivered[]
  readonly missed: readonly Indexed<'missed'>[]
}

/** A frame with the offset of what it tells. */
export type PlacedFrame = Extract<FrameEvent, { offset: number }>

export interface Reading {
  readonly events: readonly HistoryEvent[]
  readonly clients: ReadonlyMap<string, Client>
  readonly connections: ReadonlyMap<string, Connection>
  /** Those of the complete history. */
  readonly all: readonly Connection[]
  /** The index of the event by which a client published what this frame tells; `undefined`: the frame tells no message. */
  readonly publishedAt: (frame: PlacedFrame) => number | undefined
  /** By event: the highest offset that any client had received before it. The journal's head was there at least. */
  readonly headBefore: readonly number[]
  readonly head: number
}

export interface Cursor {
  readonly epoch: string
  readonly offset: number
}

export function parseCursor(text: string | undefined): Cursor | undefined {
  const [, epoch, offset] = /^([\w-]{1,64}):(0|[1-9]\d{0,15})$/.exec(text ?? '') ?? []
  return epoch === undefined ? undefined : { epoch, offset: Number(offset) }
}

class GrowingClient implements Client {
  readonly name: string
  kind: Client['kind'] = 'plain'
  readonly connections: Connection[] = []
  readonly publishes = new Map<string, Indexed<'publish'>>()
  readonly outcomes = new Map<string, Outcome[]>()
  readonly wishes: Wish[] = []
  readonly delivered: Delivered[] = []
  readonly missed: Indexed<'missed'>[] = []

  constructor(name: string) {
    this.name = name
  }
}

/** @throws {Error} A connection has a frame before the event `connect`: this is no history. */
export function readHistory(events: readonly HistoryEvent[]): Reading {
  const clients = new Map<string, GrowingClient>()
  const connections = new Map<string, Connection>()
  /** client and offset → the connection that received the offset last */
  const tellers = new Map<string, Connection>()

  const clientOf = (name: string): GrowingClient => {
    const known = clients.get(name) ?? new GrowingClient(name)
    clients.set(name, known)
    return known
  }
  events.forEach((event, index) => {
    if (event.type === 'connect') {
      const connection = newConnection({ ...event, index })
      connections.set(event.connection, connection)
      clientOf(event.client).connections.push(connection)
    } else if ('connection' in event) {
      const connection = connections.get(event.connection)
      if (!connection) throw new Error(`event ${index} is of ${event.connection}, which has no event connect before it`)
      takeFrame(connection, { ...event, index })
      if ('offset' in event) tellers.set(`${connection.client} ${event.offset}`, connection)
    } else if ('client' in event) {
      take(clientOf(event.client), event, index, tellers)
    }
  })
  const publishedAt = (frame: PlacedFrame): number | undefined => {
    if ((frame.type !== 'ack' && frame.type !== 'message' && frame.type !== 'direct') || frame.id === undefined)
      return undefined
    const sender = frame.type === 'ack' ? connections.get(frame.connection)?.client : frame.from
    return sender === undefined ? undefined : clients.get(sender)?.publishes.get(frame.id)?.index
  }
  return { events, clients, connections, all: [...connections.values()], publishedAt, ...headOf(events, connections) }
}

/** The same, of these connections only; `all` are still those of the complete history. */
export function readingOf(reading: Reading, connections: ReadonlySet<Connection>): Reading {
  const own = new Map([...reading.connections].filter(([, connection]) => connections.has(connection)))
  const clients = new Map<string, Client>()
  for (const [name, client] of reading.clients) {
    clients.set(name, {
      ...client,
      connections: client.connections.filter((connection) => connections.has(connection)),
      delivered: client.delivered.filter(({ teller }) => teller !== undefined && connections.has(teller)),
    })
  }
  return { ...reading, clients, connections: own, ...headOf(reading.events, own) }
}

function headOf(
  events: readonly HistoryEvent[],
  connections: ReadonlyMap<string, Connection>,
): Pick<Reading, 'headBefore' | 'head'> {
  const headBefore: number[] = []
  let head = 0
  for (const event of events) {
    headBefore.push(head)
    if ('connection' in event && connections.has(event.connection)) head = Math.max(head, heardIn(event))
  }
  return { headBefore, head }
}

const newConnection = (connect: Indexed<'connect'>): Connection => ({
  id: connect.connection,
  client: connect.client,
  connect,
  frames: [],
  epoch: undefined,
  node: undefined,
  welcomedAt: undefined,
})

function takeFrame(connection: Connection, frame: FrameEvent): void {
  connection.frames.push(frame)
  if (frame.type !== 'welcome') return
  connection.epoch ??= parseCursor(frame.cursor)?.epoch
  connection.node ??= frame.node
  connection.welcomedAt ??= frame.index
}

function take(
  client: GrowingClient,
  event: Extract<HistoryEvent, { client: string }>,
  index: number,
  tellers: ReadonlyMap<string, Connection>,
): void {
  switch (event.type) {
    case 'client':
      client.kind = event.kind
      break
    case 'publish':
      client.publishes.set(event.id, { ...event, index })
      break
    case 'settled':
    case 'rejected':
      client.outcomes.set(event.id, [...(client.outcomes.get(event.id) ?? []), { ...event, index }])
      break
    case 'wants':
    case 'done-with':
      client.wishes.push({ ...event, index })
      break
    case 'delivered':
      client.delivered.push({ ...event, index, teller: tellers.get(`${event.client} ${event.offset}`) })
      break
    case 'missed':
      client.missed.push({ ...event, index })
      break
    default:
  }
}

/** The highest offset that an event of a connection shows to be in the journal. */
function heardIn(event: Extract<HistoryEvent, { connection: string }>): number {
  if ('offset' in event) return event.offset
  const isPlace =
    event.type === 'subscribed' ||
    event.type === 'unsubscribed' ||
    (event.type === 'welcome' && event.recovered !== true)
  return isPlace ? (parseCursor(event.cursor)?.offset ?? 0) : 0
}
