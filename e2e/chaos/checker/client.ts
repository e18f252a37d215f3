/**
 * One client over all its connections: whether it received every entry for it from its first welcome to the end, except those
 * that the server reported as out of reach. For a client of the library also whether the application received the same entries,
 * once and in order.
 */
import type { HistoryEvent } from '../history-events.js'
import type { Covered } from './connection.js'
import { parseCursor, type Client, type Delivered, type Reading } from './reading.js'
import type { Report, ReportViolation } from './report.js'
import { between, type MessageEntry, type Truth } from './truth.js'

/** Connections of one client that follow one another on one line. */
export type Stretch<Part extends Covered = Covered> = [Part, ...Part[]]

/** A client, as far as it concerns one line. */
export interface ClientOnLine extends Client {
  /** Whether it has connections on another line afterwards. */
  readonly isElsewhereLater: boolean
  /** Whether all servers tell the same changes of presence. */
  readonly hasCommonPresence: boolean
}

/** The entries of a line that a client received on its connections of other stretches. */
export interface Elsewhere {
  /** Their offsets. */
  readonly told: ReadonlySet<number>
  /** Those that the client library passed to the application. */
  readonly delivered: readonly Delivered[]
}

/** A range of offsets of a channel, or of all channels, that the server reported as out of reach. */
interface Loss {
  readonly channel: string | undefined
  readonly from: number
  readonly to: number
}

type IsLost = (offset: number, channel: string | undefined) => boolean

/** @param covered Without the connections that a library declined. */
export function checkClient(
  client: ClientOnLine,
  covered: Readonly<Stretch>,
  elsewhere: Elsewhere,
  reading: Reading,
  truth: Truth,
  report: Report,
): void {
  const losses = lossesOf(covered)
  const told = union(covered.map((each) => each.told))
  const bad: ReportViolation = (kind, text, index) => report.add(kind, `${client.name}: ${text}`, index)
  const isLost: IsLost = (offset, channel) =>
    losses.some((loss) => offset > loss.from && offset <= loss.to && (loss.channel ?? channel) === channel)

  const expect = (entries: readonly MessageEntry[], channel: string | undefined): void => {
    for (const entry of entries) {
      const { offset, from } = entry
      const isTold = told.has(offset) || elsewhere.told.has(offset)
      if (from === client.name || isTold || isLost(offset, channel)) continue
      bad('lost', `offset ${offset}${channel === undefined ? '' : ` of ${channel}`} never came`)
    }
  }
  for (const { channel, from, to } of periodsOf(client, covered, reading)) {
    expect(between(truth.list(`channel ${channel}`), from, to), channel)
  }
  const end = Math.max(...covered.map(({ position }) => position))
  expect(between(truth.list(`to ${client.name}`), covered[0].start, end), undefined)
  if (client.kind === 'library') checkApplication(client, told, elsewhere.delivered, truth, bad, isLost)
}

/** Whether the application of a library was told of each loss once, on all its connections together, and of nothing else. */
export function checkMissed(client: Client, all: readonly Covered[], report: Report): void {
  if (client.kind !== 'library') return
  for (const { offset, teller, index } of client.delivered) {
    if (teller) continue
    report.add('invented', `${client.name}: the application got offset ${offset}, which nobody told`, index)
  }
  const covered = all.filter((each) => !isDeclined(each, all))
  if (covered.length === 0) return
  const lossCount =
    covered.filter(({ welcome }) => welcome.recovered === false).length +
    new Set(covered.flatMap(({ losses }) => losses.map(({ frame }) => frame))).size
  if (client.missed.length !== lossCount) {
    report.add(
      'wrong-missed',
      `${client.name}: the application was told ${client.missed.length} times of a loss, there were ${lossCount}`,
    )
  }
}

/**
 * Whether the library declined this connection: it wanted to move, the entries that it had not received yet were out of reach
 * there, and so it stayed on the other connection, which delivered them.
 */
export const isDeclined = ({ welcome }: Covered, all: readonly Covered[]): boolean =>
  welcome.recovered === false &&
  all.some((other) => other.welcome.index < welcome.index && other.lastIndex > welcome.index)

/** The ranges of entries that the servers reported to the client as unavailable. */
function lossesOf(covered: readonly Covered[]): Loss[] {
  const losses: Loss[] = covered.flatMap((each) => each.losses)
  covered.forEach(({ welcome, start, given }, index) => {
    if (index === 0 || welcome.recovered === true) return
    const heard = Math.max(...covered.slice(0, index).map(({ position }) => position))
    // A client without a cursor begins anew.
    const from = welcome.recovered === false ? (parseCursor(given)?.offset ?? 0) : heard
    losses.push({ channel: undefined, from: Math.min(from, start), to: start })
  })
  return losses
}

/** A channel that the client was to receive from one offset, exclusive, to another, inclusive. */
interface Period {
  readonly channel: string
  readonly from: number
  readonly to: number
}

function periodsOf(
  { wishes, isElsewhereLater }: ClientOnLine,
  covered: readonly Covered[],
  { events }: Reading,
): Period[] {
  const periods: Period[] = []
  const channels = new Set(covered.flatMap(({ memberships }) => memberships.map(({ channel }) => channel)))
  for (const channel of channels) {
    const changes = wishes.filter((wish) => wish.channel === channel)
    // Without an event `wants` the client has wanted the channel since its first handshake.
    const begins = changes[0]?.type === 'wants' ? [] : [{ type: 'wants', index: -1 } as const]
    const bounds = [...begins, ...changes]
    bounds.forEach((bound, at) => {
      if (bound.type !== 'wants') return
      const end = bounds[at + 1]?.index ?? events.length
      const from = firstPlace(channel, covered, bound.index, end)
      const left = isElsewhereLater ? lastMembership(channel, covered) : Infinity
      const to = Math.min(lastPlace(covered, end, events), left)
      if (from !== undefined) periods.push({ channel, from, to })
    })
  }
  return periods
}

/** The offset from which the client receives a channel, between these events. */
function firstPlace(channel: string, covered: readonly Covered[], begin: number, end: number): number | undefined {
  for (const { welcome, replays, memberships, start } of covered) {
    const replay = replays.find(
      (each) => each.channel === channel && each.frame.index > begin && each.frame.index < end,
    )
    const isIn = welcome.index > begin && welcome.index < end && welcome.channels.includes(channel)
    if (isIn) return start
    if (replay) return replay.from
    const membership = memberships.find((each) => each.channel === channel && each.index > begin && each.index < end)
    if (membership) return membership.from
  }
  return undefined
}

/**
 * The offset up to which the client received a channel on this line. A client that subscribes again on another line learns there
 * that the rest is out of reach.
 */
const lastMembership = (channel: string, covered: readonly Covered[]): number =>
  Math.max(
    ...covered.flatMap(({ memberships }) => memberships.filter((each) => each.channel === channel).map(({ to }) => to)),
  )

/** The offset that the client had reached at this event. */
function lastPlace(covered: readonly Covered[], end: number, events: readonly HistoryEvent[]): number {
  let last = 0
  for (const { id, start, position, welcome, lastIndex } of covered) {
    if (welcome.index >= end) break
    if (lastIndex < end) last = Math.max(last, position)
    else {
      last = Math.max(last, start)
      for (let index = welcome.index; index < end; index++) {
        const event = events[index]
        if (!event || !('connection' in event) || event.connection !== id || !('offset' in event)) continue
        last = Math.max(last, event.offset)
      }
    }
  }
  return last
}

function union(sets: readonly ReadonlySet<number>[]): ReadonlySet<number> {
  const all = new Set<number>()
  for (const set of sets) for (const item of set) all.add(item)
  return all
}

/** @param elsewhere The entries of this line that the application received on other connections: the checks there report them. */
function checkApplication(
  client: ClientOnLine,
  told: ReadonlySet<number>,
  elsewhere: readonly Delivered[],
  truth: Truth,
  bad: ReportViolation,
  isLost: IsLost,
): void {
  const own = new Set(client.delivered)
  const given = new Set<number>()
  const last = new Map<string | undefined, number>()
  for (const event of [...client.delivered, ...elsewhere].sort((a, b) => a.index - b.index)) {
    const { kind, channel, offset, index } = event
    if (own.has(event) && given.has(offset)) bad('delivered-twice', `the application got offset ${offset} twice`, index)
    given.add(offset)
    // A replay of one channel may arrive after live entries of another one; within a channel there is one order.
    const stream = kind === 'direct' ? 'direct' : channel
    const before = last.get(stream) ?? 0
    if (own.has(event) && offset < before) {
      bad('delivered-out-of-order', `the application got offset ${offset} of ${stream} after ${before}`, index)
    }
    last.set(stream, offset)
  }
  const isSettled = client.wishes.length === 0
  for (const offset of told) {
    const entry = truth.entries.get(offset)
    // Servers that know different things of each other tell different changes of presence: one may tell a client that
    // migrates what the other did not.
    if (entry?.kind === 'presence' && !client.hasCommonPresence) continue
    const channel = entry?.kind === 'message' ? entry.channel : undefined
    if (given.has(offset) || isLost(offset, channel)) continue
    // The library rightly keeps back an entry of a channel that the application no longer wants.
    if (isSettled || channel === undefined || !client.wishes.some((wish) => wish.channel === channel)) {
      bad('swallowed', `offset ${offset} came and was not given to the application`)
    }
  }
}
