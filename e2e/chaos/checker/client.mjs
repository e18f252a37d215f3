/**
 * One client over all its connections: whether it got everything that concerns it from the first time it was let in up to
 * the end, but for what it was told to be out of reach. And, where there is a library between the connections and the application,
 * whether the application was given the same, once and in order.
 */
import { parseCursor } from './reading.mjs'
import { between } from './truth.mjs'

/**
 * @param covered What consecutive connections on one line cover, without those that a library has no use for.
 * @param elsewhere What the client received of this line's entries on its other connections: `told` and `delivered`.
 */
export function checkClient(client, covered, elsewhere, reading, truth, report) {
  const losses = lossesOf(covered)
  const told = union(covered.map((each) => each.told))
  const bad = (kind, text, index) => report.add(kind, `${client.name}: ${text}`, index)
  const isLost = (offset, channel) =>
    losses.some((loss) => offset > loss.from && offset <= loss.to && (loss.channel ?? channel) === channel)

  const expect = (entries, channel) => {
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
  if (client.kind === 'library') checkApplication(client, told, elsewhere.delivered, truth, { bad, isLost })
}

/** Whether the application of a library was told of each loss once, on all its connections together, and of nothing else. */
export function checkMissed(client, all, report) {
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
 * Whether the library has no use for this connection: it wanted to move, what it had not heard yet was out of reach there,
 * and so it stayed on the other one, where that was told.
 */
export const isDeclined = ({ welcome }, all) =>
  welcome.recovered === false &&
  all.some((other) => other.welcome.index < welcome.index && other.lastIndex > welcome.index)

/** What the client was told to be out of reach. */
function lossesOf(covered) {
  const losses = covered.flatMap((each) => each.losses)
  covered.forEach(({ welcome, start }, index) => {
    if (index === 0 || welcome.recovered === true) return
    const heard = Math.max(...covered.slice(0, index).map(({ position }) => position))
    // Without a cursor it has begun anew.
    const from = welcome.recovered === false ? (parseCursor(covered[index].given)?.offset ?? 0) : heard
    losses.push({ channel: undefined, from: Math.min(from, start), to: start })
  })
  return losses
}

/** From which offset up to which the client was to hear which channel. */
function periodsOf({ wishes, isElsewhereLater }, covered, { events }) {
  const periods = []
  const channels = new Set(covered.flatMap(({ memberships }) => memberships.map(({ channel }) => channel)))
  for (const channel of channels) {
    const changes = wishes.filter((wish) => wish.channel === channel)
    // Without a wish it has been wanted from the first handshake on.
    const begins = changes[0]?.type === 'wants' ? [] : [{ type: 'wants', index: -1 }]
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

/** Where a channel is heard from, between these events. */
function firstPlace(channel, covered, begin, end) {
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

/** Where a channel was heard for the last time: who took it up again on another line was told there that it cannot have the rest. */
const lastMembership = (channel, covered) =>
  Math.max(
    ...covered.flatMap(({ memberships }) => memberships.filter((each) => each.channel === channel).map(({ to }) => to)),
  )

/** How far the client had heard at this event. */
function lastPlace(covered, end, events) {
  let last = 0
  for (const { id, start, position, welcome, lastIndex } of covered) {
    if (welcome.index >= end) break
    if (lastIndex < end) last = Math.max(last, position)
    else {
      last = Math.max(last, start)
      for (let index = welcome.index; index < end; index++) {
        const { connection, offset } = events[index]
        if (connection === id && offset !== undefined) last = Math.max(last, offset)
      }
    }
  }
  return last
}

function union(sets) {
  const all = new Set()
  for (const set of sets) for (const item of set) all.add(item)
  return all
}

/** @param elsewhere What the application was given of this line's entries on other connections: reported there, counted here. */
function checkApplication(client, told, elsewhere, truth, { bad, isLost }) {
  const own = new Set(client.delivered)
  const given = new Set()
  const last = new Map()
  for (const event of [...client.delivered, ...elsewhere].sort((a, b) => a.index - b.index)) {
    const { kind, channel, offset, index } = event
    if (own.has(event) && given.has(offset)) bad('delivered-twice', `the application got offset ${offset} twice`, index)
    given.add(offset)
    // A replay may bring a channel's past behind another one's present; within a channel there is one order.
    const stream = kind === 'direct' ? 'direct' : channel
    if (own.has(event) && offset < (last.get(stream) ?? 0)) {
      bad(
        'delivered-out-of-order',
        `the application got offset ${offset} of ${stream} after ${last.get(stream)}`,
        index,
      )
    }
    last.set(stream, offset)
  }
  const isSettled = client.wishes.length === 0
  for (const offset of told) {
    const { kind, channel } = truth.entries.get(offset) ?? {}
    // Servers that know different things of each other tell different changes of presence: one may tell a client that
    // migrates what the other did not.
    if (kind === 'presence' && !client.hasCommonPresence) continue
    if (given.has(offset) || isLost(offset, channel)) continue
    // What came in a channel that was no longer wanted is rightly kept back.
    if (isSettled || channel === undefined || !client.wishes.some((wish) => wish.channel === channel)) {
      bad('swallowed', `offset ${offset} came and was not given to the application`)
    }
  }
}
