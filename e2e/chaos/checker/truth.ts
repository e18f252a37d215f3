/**
 * The one journal that all connections speak of: which entry stands at which offset, put together from every frame that a
 * client received. Finds where frames contradict each other or the messages that clients published.
 */
import type { Terms } from '../history-events.js'
import { mostSaidByInstances } from './instances.js'
import type { Client, Connection, FrameEvent, Reading } from './reading.js'
import type { Report } from './report.js'

export interface MessageEntry {
  readonly kind: 'message' | 'direct'
  readonly offset: number
  readonly channel: string | undefined
  readonly from: string
  readonly to: string | undefined
  readonly id: string | undefined
  readonly digest: string
  /** When the server accepted it, by Date.now(); `undefined`: only its sender knows of it, from the ack. */
  at: number | undefined
}

interface PresenceEntry {
  readonly kind: 'presence'
  readonly offset: number
}

type Entry = MessageEntry | PresenceEntry
type PresenceFrame = Extract<FrameEvent, { type: 'presence' }>

export class Truth {
  /** offset → entry */
  readonly entries = new Map<number, Entry>()
  readonly #historySize: number
  readonly #placesOf = new Map<string, readonly number[]>()
  readonly #lists = new Map<string, MessageEntry[]>()

  constructor(historySize: number) {
    this.#historySize = historySize
  }

  /** The offsets of this client's message, in order; none: no client was told of it. */
  placesOf(client: string, id: string): readonly number[] {
    return this.#placesOf.get(`${client}\n${id}`) ?? []
  }

  /** The entries of a list, for example `channel lobby`, in order. */
  list(name: string): readonly MessageEntry[] {
    return this.#lists.get(name) ?? []
  }

  add(entry: Entry, report: Report): void {
    if (entry.kind !== 'presence') this.#expectOnce(entry, report)
    const known = this.entries.get(entry.offset)
    if (!known) this.entries.set(entry.offset, entry)
    else if (describe(known) !== describe(entry) || !isSameTime(known, entry)) {
      report.add('disagreement', `offset ${entry.offset} is ${describe(known)}, and also ${describe(entry)}`)
    } else if (known.kind !== 'presence') known.at ??= timeOf(entry)
  }

  /** Two servers tell the same of each of these places. */
  expectSameUpTo(upTo: number, other: Truth, report: Report): void {
    for (const [offset, entry] of this.entries) {
      const twin = offset <= upTo ? other.entries.get(offset) : undefined
      if (twin && describe(twin) !== describe(entry)) {
        report.add('disagreement', `offset ${offset} is ${describe(entry)}, and also ${describe(twin)}`)
      }
    }
  }

  /** The server knows an id while it retains the message: a retry that arrives later is a new message. */
  #expectOnce({ from, id, offset }: MessageEntry, report: Report): void {
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
   * Takes over the entries of another line that both have. The server owes them to the clients of this line, even where none of
   * them was told of an entry.
   */
  borrow(upTo: number, other: Truth): void {
    for (const [offset, entry] of other.entries) {
      if (offset <= upTo && !this.entries.has(offset)) this.entries.set(offset, entry)
    }
  }

  /** Builds the lists from the entries. */
  sort(): void {
    this.#lists.clear()
    const sorted = [...this.entries.values()].sort((a, b) => a.offset - b.offset)
    for (const entry of sorted) {
      // A snapshot of presence tells as much as its changes: no client is owed each of them.
      if (entry.kind === 'presence') continue
      this.#push(`from ${entry.from}`, entry)
      this.#push(entry.kind === 'message' ? `channel ${entry.channel}` : `to ${entry.to}`, entry)
    }
  }

  #push(name: string, entry: MessageEntry): void {
    const list = this.#lists.get(name)
    if (list) list.push(entry)
    else this.#lists.set(name, [entry])
  }
}

/** The part of an entry that is the same for every client. */
function describe(entry: Entry): string {
  if (entry.kind === 'presence') return 'a change of presence'
  const { kind, channel, from, to, id, digest } = entry
  return `${kind} ${id ?? 'without id'} of ${from} ${kind === 'message' ? `in ${channel}` : `to ${to}`} (${digest})`
}

const timeOf = (entry: Entry): number | undefined => (entry.kind === 'presence' ? undefined : entry.at)

/** An ack does not tell when the server accepted the message. */
function isSameTime(one: Entry, other: Entry): boolean {
  const [first, second] = [timeOf(one), timeOf(other)]
  return first === undefined || second === undefined || first === second
}

/** The entries after `after`, up to `upTo`, of a sorted list. */
export function between(list: readonly MessageEntry[], after: number, upTo: number): MessageEntry[] {
  const found: MessageEntry[] = []
  for (let at = countUpTo(list, after); at < list.length; at++) {
    const entry = list[at]
    if (!entry || entry.offset > upTo) break
    found.push(entry)
  }
  return found
}

/** How many items of a list that is sorted by offset stand up to this offset. */
export function countUpTo(list: readonly { readonly offset: number }[], offset: number): number {
  let low = 0
  let high = list.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((list[middle]?.offset ?? Infinity) <= offset) low = middle + 1
    else high = middle
  }
  return low
}

export function findTruth({ events, clients, connections, head }: Reading, terms: Terms, report: Report): Truth {
  const truth = new Truth(terms.historySize)
  const presence = new Map<string, SeenPresence>()
  for (const connection of connections.values()) {
    const { client, frames } = connection
    for (const frame of frames) {
      if (frame.type === 'presence' && !terms.isRemote) expectSame(presence, client, frame, report)
      const entry = entryOf(frame, client, clients, report)
      if (entry) truth.add(entry, report)
    }
  }
  truth.sort()
  // A second instance may have appended a retry for the second time: the servers tell no client of such an entry.
  if (!terms.presence && terms.instances === 1 && terms.complete) {
    expectExplained(clients, head, mostSaidByInstances(events), truth, report)
  }
  return truth
}

/** A change of presence as one client received it. */
interface SeenPresence {
  readonly client: string
  readonly count: number
  readonly names: ReadonlySet<string>
  readonly text: string
}

/**
 * At one offset every client is told the same change of a channel, by any instance, except the changes of the client itself.
 * Where a broker fails, servers may know different things of each other for a while: there the run asks them at the end.
 */
function expectSame(
  known: Map<string, SeenPresence>,
  client: string,
  { offset, changes }: PresenceFrame,
  report: Report,
): void {
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

const namesOf = ({ joined, left }: PresenceFrame['changes'][number]): ReadonlySet<string> =>
  new Set([...joined.map((name) => `+${name}`), ...left.map((name) => `-${name}`)])

/**
 * Every place in the journal belongs to a message that a client published, even if the client had to give it up, or to a record
 * of the instances.
 */
function expectExplained(
  clients: ReadonlyMap<string, Client>,
  head: number,
  saidByInstances: number,
  truth: Truth,
  report: Report,
): void {
  const unknown: number[] = []
  for (let offset = 1; offset <= head; offset++) if (!truth.entries.has(offset)) unknown.push(offset)
  let givenUp = 0
  for (const { name, outcomes } of clients.values()) {
    for (const [id, [first]] of outcomes) {
      if (first?.type === 'rejected' && truth.placesOf(name, id).length === 0) givenUp++
    }
  }
  if (unknown.length > givenUp + saidByInstances)
    report.add('unexplained', `nobody knows what stands at the offsets ${unknown.join()}`)
}

function entryOf(
  frame: FrameEvent,
  client: Connection['client'],
  clients: ReadonlyMap<string, Client>,
  report: Report,
): Entry | undefined {
  const published = (from: string, id: string | undefined) =>
    id === undefined ? undefined : clients.get(from)?.publishes.get(id)
  switch (frame.type) {
    case 'message':
    case 'direct': {
      const { type: kind, offset, from, id, digest } = frame
      const channel = frame.type === 'message' ? frame.channel : undefined
      const to = kind === 'direct' ? client : undefined
      const entry = { kind, offset, channel, from, to, id, digest, at: Date.parse(frame.saidAt) }
      const meant = published(from, id)
      if (!meant) report.add('invented', `${client} was told ${describe(entry)}: nobody said that`)
      else if (meant.digest !== digest || meant.channel !== channel || meant.to !== to) {
        report.add('altered', `${client} was told ${describe(entry)}: that is not what was said`)
      }
      return entry
    }
    case 'presence':
      return { kind: 'presence', offset: frame.offset }
    case 'ack': {
      const { id, offset } = frame
      const meant = published(client, id)
      if (!meant) {
        report.add('invented', `${client} got an ack for ${id}, which it did not say`)
        return undefined
      }
      const { channel, to, digest } = meant
      const kind = to === undefined ? 'message' : 'direct'
      return { kind, offset, channel, from: client, to, id, digest, at: undefined }
    }
    default:
      return undefined
  }
}
