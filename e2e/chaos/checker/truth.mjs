/**
 * The one journal that all connections speak of: which entry stands at which offset, put together from everything that
 * anybody was told. Finds where they contradict each other, or what was said.
 */
import { mostSaidByInstances } from './instances.mjs'

class Truth {
  /** offset → entry */
  entries = new Map()
  #historySize
  #placesOf = new Map()
  #lists = new Map()

  constructor(historySize) {
    this.#historySize = historySize
  }

  /** Where this client's message stands, the first place first; nowhere: nobody was told of it. */
  placesOf(client, id) {
    return this.#placesOf.get(`${client}\n${id}`) ?? []
  }

  /** The entries of a kind, say `channel lobby`, in order. */
  list(name) {
    return this.#lists.get(name) ?? []
  }

  add(entry, report) {
    this.#expectOnce(entry, report)
    const known = this.entries.get(entry.offset)
    if (!known) this.entries.set(entry.offset, entry)
    else if (describe(known) === describe(entry) && isSameTime(known, entry)) known.at ??= entry.at
    else report.add('disagreement', `offset ${entry.offset} is ${describe(known)}, and also ${describe(entry)}`)
  }

  /** Two servers tell the same of each of these places. */
  expectSameUpTo(upTo, other, report) {
    for (const [offset, entry] of this.entries) {
      const twin = offset <= upTo ? other.entries.get(offset) : undefined
      if (twin && describe(twin) !== describe(entry)) {
        report.add('disagreement', `offset ${offset} is ${describe(entry)}, and also ${describe(twin)}`)
      }
    }
  }

  /** An id is known as long as its message is kept: what is sent again and arrives after that is a new message. */
  #expectOnce({ from, id, offset }, report) {
    if (id === undefined) return
    const places = this.placesOf(from, id)
    if (places.includes(offset)) return
    const tooNear = places.find((place) => Math.abs(place - offset) <= this.#historySize)
    if (tooNear !== undefined) report.add('twice', `${id} of ${from} is at ${tooNear} and at ${offset}`)
    this.#placesOf.set(
      `${from}\n${id}`,
      [...places, offset].sort((a, b) => a - b),
    )
  }

  /**
   * Takes over the entries of another line that both have. Clients of this line are owed them, even where nobody on it was
   * told of them.
   */
  borrow(upTo, other) {
    for (const [offset, entry] of other.entries) {
      if (offset <= upTo && !this.entries.has(offset)) this.entries.set(offset, entry)
    }
  }

  /** Builds the lists from the entries. */
  sort() {
    this.#lists.clear()
    const sorted = [...this.entries.values()].sort((a, b) => a.offset - b.offset)
    for (const entry of sorted) for (const name of listsOf(entry)) this.#push(name, entry)
  }

  #push(name, entry) {
    const list = this.#lists.get(name)
    if (list) list.push(entry)
    else this.#lists.set(name, [entry])
  }
}

function listsOf({ kind, channel, from, to }) {
  // State, of which a snapshot tells as much: nobody is owed each of its changes.
  if (kind === 'presence') return []
  return [`from ${from}`, kind === 'message' ? `channel ${channel}` : `to ${to}`]
}

/** What is the same for everybody. */
function describe({ kind, channel, from, to, id, digest }) {
  if (kind === 'presence') return 'a change of presence'
  return `${kind} ${id ?? 'without id'} of ${from} ${kind === 'message' ? `in ${channel}` : `to ${to}`} (${digest})`
}

/** Who was acked is not told when its message was taken. */
const isSameTime = ({ at: one }, { at: other }) => one === undefined || other === undefined || one === other

/** The entries after `after`, up to `upTo`, of a sorted list. */
export function between(list, after, upTo) {
  let low = 0
  let high = list.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (list[middle].offset <= after) low = middle + 1
    else high = middle
  }
  const found = []
  for (let at = low; at < list.length && list[at].offset <= upTo; at++) found.push(list[at])
  return found
}

export function findTruth({ events, clients, connections, head }, terms, report) {
  const truth = new Truth(terms.historySize)
  const presence = new Map()
  for (const { client, frames } of connections.values()) {
    for (const frame of frames) {
      if (frame.type === 'presence' && !terms.isRemote) expectSame(presence, client, frame, report)
      const entry = entryOf(frame, client, clients, report)
      if (entry) truth.add(entry, report)
    }
  }
  truth.sort()
  // A second instance may have taken a message for the second time: such an entry is told to nobody.
  if (!terms.presence && terms.instances === 1 && terms.complete) {
    expectExplained(clients, head, mostSaidByInstances(events), truth, report)
  }
  return truth
}

/**
 * At one place everybody is told the same change of a channel, by whatever instance, but nobody of itself. Where a broker
 * fails, servers may know different things of each other for a while: there the run asks them at the end.
 */
function expectSame(known, client, { offset, changes }, report) {
  for (const change of changes) {
    const key = `${offset} ${change.channel}`
    const seen = { client, count: change.count, names: namesOf(change), text: JSON.stringify(change) }
    const before = known.get(key) ?? seen
    known.set(key, before)
    const own = new Set([client, before.client].flatMap((name) => [`+${name}`, `-${name}`]))
    const differs = [...before.names, ...seen.names].some(
      (name) => !own.has(name) && before.names.has(name) !== seen.names.has(name),
    )
    if (!differs && before.count === seen.count) continue
    report.add('presence', `offset ${offset} is ${before.text} to ${before.client}, and ${seen.text} to ${client}`)
  }
}

const namesOf = ({ joined, left }) => new Set([...joined.map((name) => `+${name}`), ...left.map((name) => `-${name}`)])

/**
 * Every place in the journal belongs to something that was said, if only to what its sender had to give up, or to what
 * instances said to each other.
 */
function expectExplained(clients, head, saidByInstances, truth, report) {
  const unknown = []
  for (let offset = 1; offset <= head; offset++) if (!truth.entries.has(offset)) unknown.push(offset)
  let givenUp = 0
  for (const { name, outcomes } of clients.values()) {
    for (const [id, [{ type }]] of outcomes) {
      if (type === 'rejected' && truth.placesOf(name, id).length === 0) givenUp++
    }
  }
  if (unknown.length > givenUp + saidByInstances)
    report.add('unexplained', `nobody knows what stands at the offsets ${unknown.join()}`)
}

function entryOf(frame, client, clients, report) {
  const { type: kind, offset, channel, from, id, digest } = frame
  switch (kind) {
    case 'message':
    case 'direct': {
      const entry = { kind, offset, channel, from, to: kind === 'direct' ? client : undefined, id, digest }
      const meant = clients.get(from)?.publishes.get(id)
      if (!meant) report.add('invented', `${client} was told ${describe(entry)}: nobody said that`)
      else if (meant.digest !== digest || meant.channel !== channel || meant.to !== entry.to) {
        report.add('altered', `${client} was told ${describe(entry)}: that is not what was said`)
      }
      return { ...entry, at: Date.parse(frame.saidAt) }
    }
    case 'presence':
      return { kind, offset }
    case 'ack': {
      const meant = clients.get(client)?.publishes.get(id)
      if (!meant) {
        report.add('invented', `${client} got an ack for ${id}, which it did not say`)
        return undefined
      }
      const { channel, to, digest } = meant
      return { kind: to === undefined ? 'message' : 'direct', offset, channel, from: client, to, id, digest }
    }
    default:
      return undefined
  }
}
