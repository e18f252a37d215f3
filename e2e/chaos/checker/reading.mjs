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
  /** The highest offset that anybody had heard before each event: the journal's head was there at least. */
  const headBefore = new Array(events.length)
  let head = 0

  const clientOf = (name) => {
    if (!clients.has(name)) clients.set(name, newClient(name))
    return clients.get(name)
  }
  events.forEach((given, index) => {
    const event = { ...given, index }
    headBefore[index] = head
    head = Math.max(head, heardIn(event))
    if (event.type === 'connect') {
      const connection = { id: event.connection, client: event.client, connect: event, frames: [] }
      connections.set(event.connection, connection)
      clientOf(event.client).connections.push(connection)
    } else if (event.connection !== undefined) connections.get(event.connection).frames.push(event)
    else if (event.client !== undefined) take(clientOf(event.client), event)
  })
  return { events, clients, connections, headBefore, head }
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
