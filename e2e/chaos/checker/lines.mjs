/**
 * The lines of a history. As long as a broker keeps what it has confirmed there is one: one journal, one epoch. When it has
 * lost something, the offsets behind that place are given to other entries. A server that had read the lost ones must
 * begin a new epoch; one that had not goes on, for it cannot know. So an epoch may have several lines: each is what a server
 * that knows of no loss behind its own place may tell. Two servers may contradict each other where one of them is on a line
 * that was lost, and nowhere else; and no server may ever be on both.
 */
import { parseCursor } from './reading.mjs'

/** The servers may notice the same loss at the same time, and each begin an epoch; a later one supersedes the others. */
export function checkEpochs(reading, terms, report) {
  let allowed = 1
  const seen = new Set()
  reading.events.forEach((event, index) => {
    if (event.type === 'broker' && event.what === 'lost') {
      // No client may have been welcomed in the present epoch yet: it counts all the same.
      if (event.epoch !== undefined) seen.add(event.epoch)
      allowed = Math.max(1, seen.size) + terms.instances
    }
    if (event.type !== 'welcome') return
    const epoch = parseCursor(event.cursor)?.epoch
    if (seen.has(epoch)) return
    seen.add(epoch)
    if (seen.size > allowed) report.add('epoch', `the journal was replaced by ${epoch}, and had lost nothing`, index)
  })
}

/** @returns {{ name: string, epoch: string, loss: object | undefined, connections: Set<object> }[]} In their order. */
export function findLines(reading, report) {
  const losses = lossesByEpoch(reading)
  const servers = serversOf(reading)
  const lines = new Map()
  for (const connection of reading.connections.values()) {
    const { epoch, node } = connection
    const loss = lossOf(servers.get(serverKey(epoch, node)), losses.get(epoch) ?? [], [...servers.values()], reading)
    const name = `${epoch}${loss ? ` before ${loss.index}` : ''}`
    if (!lines.has(name)) lines.set(name, { name, epoch, loss, connections: new Set() })
    lines.get(name).connections.add(connection)
  }
  for (const line of lines.values()) if (line.loss) expectNothingNew(line, reading, report)
  const order = (line) => Math.min(...[...line.connections].map(({ connect }) => connect.index))
  return [...lines.values()].sort((a, b) => order(a) - order(b))
}

/** How long a server may take to find out after it has reached the broker again. */
const NOTICE_MS = 15_000

const serverKey = (epoch, node) => `${epoch} ${node}`

/** epoch → what was lost of it, in order */
function lossesByEpoch({ events }) {
  const losses = new Map()
  events.forEach((event, index) => {
    if (event.type !== 'broker' || event.what !== 'lost' || event.epoch === undefined) return
    losses.set(event.epoch, [...(losses.get(event.epoch) ?? []), { index, offset: event.offset }])
  })
  return losses
}

/** server and epoch → what it told of entries in this epoch, and when it first welcomed anybody */
function serversOf(reading) {
  const servers = new Map()
  const firstWelcomes = new Map()
  for (const { node, welcomedAt } of reading.connections.values()) {
    firstWelcomes.set(node, Math.min(firstWelcomes.get(node) ?? Infinity, welcomedAt ?? Infinity))
  }
  for (const { epoch, node, frames } of reading.connections.values()) {
    const key = serverKey(epoch, node)
    const server = servers.get(key) ?? { epoch, told: [], firstWelcome: firstWelcomes.get(node) }
    for (const frame of frames) if (frame.offset !== undefined) server.told.push(frame)
    servers.set(key, server)
  }
  return servers
}

/** The first loss that a server must not go beyond: it had read entries that were lost. */
function lossOf({ epoch, told, firstWelcome }, losses, servers, reading) {
  return losses.find(({ index, offset }) => {
    const behind = told.filter((frame) => frame.offset > offset)
    if (behind.some((frame) => frame.index < index)) return true
    // The server delivered none of these entries before the loss. It had not read them if it started later, or if it
    // delivers messages at these offsets that a client published after the loss.
    if (firstWelcome > index) return false
    const known = behind.filter((frame) => reading.publishedAt(frame) !== undefined)
    if (known.length === 0 || known.some((frame) => reading.publishedAt(frame) > index)) return false
    // A client may publish for the first time before the loss what is appended only afterwards, for example while its line
    // is down. The servers that told entries before the loss know which message stood at each place then.
    const ofEpoch = servers.filter((server) => server.epoch === epoch)
    const lost = messagesByOffset(ofEpoch, (frame) => frame.offset > offset && frame.index < index, reading)
    const comparable = known.filter((frame) => lost.has(frame.offset))
    if (comparable.length > 0) {
      return comparable.some((frame) => lost.get(frame.offset).has(reading.publishedAt(frame)))
    }
    // A server that began later has never read what was lost: what stands where that server has it was not lost.
    const later = ofEpoch.filter((server) => server.firstWelcome > index)
    const kept = messagesByOffset(later, () => true, reading)
    return !known.some((frame) => kept.get(frame.offset)?.has(reading.publishedAt(frame)))
  })
}

/** offset → the messages, by the index of their publication, that these servers told there */
function messagesByOffset(servers, isMeant, reading) {
  const messages = new Map()
  for (const frame of servers.flatMap(({ told }) => told)) {
    const publishedAt = reading.publishedAt(frame)
    if (publishedAt === undefined || !isMeant(frame)) continue
    messages.set(frame.offset, (messages.get(frame.offset) ?? new Set()).add(publishedAt))
  }
  return messages
}

/** Nothing can have been appended to a line once it was lost. */
function expectNothingNew({ epoch, loss, connections }, reading, report) {
  for (const { id, frames } of connections) {
    const later = frames.find(
      (frame) => frame.offset > loss.offset && frame.index > loss.index && reading.publishedAt(frame) > loss.index,
    )
    if (!later) continue
    const text = `${id} was told offset ${later.offset} of ${epoch} by a server that had read entries behind ${loss.offset} before they were lost`
    report.add('fork', text, later.index)
  }
}

/**
 * A client that has heard of entries that were lost learns so: its next connection on another line does not recover. Where the
 * one server that had read them was cut off, no other server could know before that one was back; the client learns it then.
 *
 * @param covered What its connections cover, with their `line`, in their order.
 */
export function checkTold(covered, reading, report) {
  covered.forEach(({ line, position, id }, at) => {
    const next = covered[at + 1]
    if (!next || next.line === line || next.welcome.recovered !== true) return
    const bad = (text) => report.add('pretended', `${next.id}: ${text}`, next.welcome.index)
    if (next.line.epoch !== line.epoch) return bad(`recovered after ${id}, which was of another epoch`)
    const { loss } = line
    if (!loss || position <= loss.offset) return
    if (!covered.slice(at + 2).some(({ welcome }) => welcome.recovered !== true)) {
      bad(`recovered at ${position}, what followed ${loss.offset} was lost, and nobody ever told it`)
    }
    const joined = reading.events.find(
      ({ type, what }, index) => index > loss.index && type === 'broker' && what === 'joined',
    )
    if (joined && next.welcome.at > joined.at + NOTICE_MS)
      bad(`recovered at ${position}, although every server could know of the loss`)
  })
}

/**
 * Up to which offset two lines have the same entries. Lines of one epoch part at the first loss of either; lines of different
 * epochs share nothing.
 */
export function sharedUpTo(line, other) {
  if (line === other) return Infinity
  if (line.epoch !== other.epoch) return 0
  return Math.min(line.loss?.offset ?? Infinity, other.loss?.offset ?? Infinity)
}

/** The entries before a loss are the same on both sides of it. */
export function expectCommon(lines, report) {
  lines.forEach((line, at) => {
    for (const other of lines.slice(at + 1)) {
      if (other.epoch !== line.epoch) continue
      line.truth.expectSameUpTo(sharedUpTo(line, other), other.truth, report)
    }
  })
}

/** Completes what is known of each line by the entries that it shares with the others. */
export function shareCommon(lines) {
  if (lines.length === 1) return
  for (const line of lines) {
    for (const other of lines) if (other !== line) line.truth.borrow(sharedUpTo(line, other), other.truth)
  }
  for (const { truth } of lines) truth.sort()
}

/** At the end all servers are on one line. */
export function expectOne(lines, covered, terms, report) {
  if (!terms.complete) return
  const last = [...covered.values()].flatMap((all) => all.at(-1) ?? [])
  const epochs = new Set(last.map(({ line }) => line.name))
  if (epochs.size > 1 && lines.length > 1) report.add('split', `at the end there are ${[...epochs].join(' and ')}`)
}
