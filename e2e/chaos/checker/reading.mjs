/**
 * A history, sorted by clients and connections. Judges nothing.
 */

/** @returns {{ epoch: string, offset: number } | undefined} */
export function parseCursor(text) {
  const match = /^([\w-]{1,64}):(0|[1-9]\d{0,15})$/.exec(text ?? '')
  return match ? { epoch: match[1], offset: Number(match[2]) } : undefined
}

export function readHistory(events) {
  const clients = new Map()
  const connections = new Map()
  /** client and offset → the connection that told it last */
  const tellers = new Map()

  const clientOf = (name) => {
    if (!clients.has(name)) clients.set(name, newClient(name))
    return clients.get(name)
  }
  events.forEach((given, index) => {
    const event = { ...given, index }
    if (event.type === 'connect') {
      const connection = { id: event.connection, client: event.client, connect: event, frames: [] }
      connections.set(event.connection, connection)
      clientOf(event.client).connections.push(connection)
    } else if (event.connection !== undefined) {
      const connection = connections.get(event.connection)
      connection.frames.push(event)
      if (event.type === 'welcome') {
        connection.epoch ??= parseCursor(event.cursor)?.epoch
        connection.node ??= event.node
        connection.welcomedAt ??= index
      }
      if (event.offset !== undefined) tellers.set(`${connection.client} ${event.offset}`, connection)
    } else if (event.client !== undefined) {
      if (event.type === 'delivered') event.teller = tellers.get(`${event.client} ${event.offset}`)
      take(clientOf(event.client), event)
    }
  })
  /** The event by which what a frame tells was said; `undefined`: it tells nothing that a client said. */
  const publishedAt = ({ type, from, id, connection }) => {
    const sender = type === 'ack' ? connections.get(connection).client : from
    return clients.get(sender)?.publishes.get(id)?.index
  }
  return { events, clients, connections, all: [...connections.values()], publishedAt, ...headOf(events, connections) }
}

/** The same, of these connections only; `all` are still those of the whole history. */
export function readingOf(reading, connections) {
  const own = new Map([...reading.connections].filter(([, connection]) => connections.has(connection)))
  const clients = new Map()
  for (const [name, client] of reading.clients) {
    clients.set(name, {
      ...client,
      connections: client.connections.filter((connection) => connections.has(connection)),
      delivered: client.delivered.filter(({ teller }) => teller !== undefined && connections.has(teller)),
    })
  }
  return { ...reading, clients, connections: own, ...headOf(reading.events, own) }
}

/** `headBefore`: the highest offset that anybody had heard before each event. The journal's head was there at least. */
function headOf(events, connections) {
  const headBefore = new Array(events.length)
  let head = 0
  events.forEach((event, index) => {
    headBefore[index] = head
    if (connections.has(event.connection)) head = Math.max(head, heardIn(event))
  })
  return { headBefore, head }
}

const newClient = (name) => ({
  name,
  kind: 'plain',
  connections: [],
  publishes: new Map(),
  outcomes: new Map(),
  wishes: [],
  delivered: [],
  missed: [],
})

function take(client, event) {
  switch (event.type) {
    case 'client':
      client.kind = event.kind
      break
    case 'publish':
      client.publishes.set(event.id, event)
      break
    case 'settled':
    case 'rejected':
      client.outcomes.set(event.id, [...(client.outcomes.get(event.id) ?? []), event])
      break
    case 'wants':
    case 'done-with':
      client.wishes.push(event)
      break
    case 'delivered':
      client.delivered.push(event)
      break
    case 'missed':
      client.missed.push(event)
      break
    default:
  }
}

/** The highest offset that an event shows to be in the journal. */
function heardIn({ type, offset, cursor, recovered }) {
  if (offset !== undefined && type !== 'delivered' && type !== 'settled') return offset
  const isPlace = type === 'subscribed' || type === 'unsubscribed' || (type === 'welcome' && recovered !== true)
  return isPlace ? (parseCursor(cursor)?.offset ?? 0) : 0
}
