/**
 * The lines of a history. As long as a broker keeps what it has confirmed there is one: one journal, one epoch. When it has
 * lost entries, their offsets are given to other entries. A server that had read the lost ones must begin a new epoch; a server
 * that had not goes on, because it cannot know of them. So an epoch may have several lines: each consists of the entries that a
 * server may tell that knows of no loss behind its own place. Two servers may contradict each other only where one of them is on
 * a line that was lost; and no server may ever be on both.
 */
import type { HistoryEvent, Terms } from '../history-events.js'
import type { Covered } from './connection.js'
import { parseCursor, type Connection, type PlacedFrame, type Reading } from './reading.js'
import type { Report } from './report.js'
import type { Truth } from './truth.js'

/** The broker has lost the entries of an epoch that stood behind this offset. */
interface LineLoss {
  /** Of the event. */
  readonly index: number
  readonly offset: number
}

export interface Line {
  readonly name: string
  /** `undefined`: of connections without a welcome. */
  readonly epoch: string | undefined
  /** The loss with which it ends. */
  readonly loss: LineLoss | undefined
  readonly connections: ReadonlySet<Connection>
}

/** A line with its own part of the history, and the journal that follows from it. */
export interface JudgedLine extends Line {
  readonly reading: Reading
  readonly truth: Truth
}

/** The entries of one connection, and the line of the history to which the connection belongs. */
export interface CoveredOnLine extends Covered {
  readonly line: JudgedLine
}

/** The frames of one server in one epoch. */
interface ServerInEpoch {
  readonly epoch: string | undefined
  readonly told: PlacedFrame[]
  /** When the server welcomed a client for the first time, in any epoch. */
  readonly firstWelcome: number
}

/** The servers may notice the same loss at the same time, and each begin an epoch; a later one supersedes the others. */
export function checkEpochs(reading: Reading, terms: Terms, report: Report): void {
  let allowed = 1
  const seen = new Set<string | undefined>()
  reading.events.forEach((event, index) => {
    if (event.type === 'broker' && event.what === 'lost') {
      // The present epoch counts even if no client has been welcomed in it yet.
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

/** @returns the lines in their order. */
export function findLines(reading: Reading, report: Report): Line[] {
  const losses = lossesByEpoch(reading.events)
  const servers = serversOf(reading)
  const lines = new Map<string, Line & { readonly connections: Set<Connection> }>()
  for (const connection of reading.connections.values()) {
    const { epoch, node } = connection
    const server = servers.get(serverKey(epoch, node))
    const loss = server && lossOf(server, losses.get(epoch) ?? [], [...servers.values()], reading)
    const name = `${epoch}${loss ? ` before ${loss.index}` : ''}`
    const line = lines.get(name) ?? { name, epoch, loss, connections: new Set() }
    lines.set(name, line)
    line.connections.add(connection)
  }
  for (const line of lines.values()) if (line.loss) expectNothingNew(line, line.loss, reading, report)
  const order = (line: Line): number => Math.min(...[...line.connections].map(({ connect }) => connect.index))
  return [...lines.values()].sort((a, b) => order(a) - order(b))
}

/** How long a server may take to find out after it has reached the broker again. */
const NOTICE_MS = 15_000

const serverKey = (epoch: string | undefined, node: string | undefined): string => `${epoch} ${node}`

/** epoch → its losses, in order */
function lossesByEpoch(events: readonly HistoryEvent[]): ReadonlyMap<string | undefined, readonly LineLoss[]> {
  const losses = new Map<string | undefined, LineLoss[]>()
  events.forEach((event, index) => {
    if (event.type !== 'broker' || event.what !== 'lost') return
    const { epoch, offset } = event
    if (epoch !== undefined && offset !== undefined)
      losses.set(epoch, [...(losses.get(epoch) ?? []), { index, offset }])
  })
  return losses
}

/** server and epoch → the entries of this epoch that the server told */
function serversOf(reading: Reading): ReadonlyMap<string, ServerInEpoch> {
  const servers = new Map<string, ServerInEpoch>()
  const firstWelcomes = new Map<string | undefined, number>()
  for (const { node, welcomedAt } of reading.connections.values()) {
    firstWelcomes.set(node, Math.min(firstWelcomes.get(node) ?? Infinity, welcomedAt ?? Infinity))
  }
  for (const { epoch, node, frames } of reading.connections.values()) {
    const key = serverKey(epoch, node)
    const server = servers.get(key) ?? { epoch, told: [], firstWelcome: firstWelcomes.get(node) ?? Infinity }
    for (const frame of frames) if ('offset' in frame) server.told.push(frame)
    servers.set(key, server)
  }
  return servers
}

/** The first loss that a server must not go beyond: it had read entries that were lost. */
function lossOf(
  { epoch, told, firstWelcome }: ServerInEpoch,
  losses: readonly LineLoss[],
  servers: readonly ServerInEpoch[],
  reading: Reading,
): LineLoss | undefined {
  return losses.find(({ index, offset }) => {
    const behind = told.filter((frame) => frame.offset > offset)
    if (behind.some((frame) => frame.index < index)) return true
    // The server delivered none of these entries before the loss. It had not read them if it started later, or if it
    // delivers messages at these offsets that a client published after the loss.
    if (firstWelcome > index) return false
    const known = behind.flatMap((frame) => {
      const publishedAt = reading.publishedAt(frame)
      return publishedAt === undefined ? [] : [{ offset: frame.offset, publishedAt }]
    })
    if (known.length === 0 || known.some(({ publishedAt }) => publishedAt > index)) return false
    // A client may publish for the first time before the loss what is appended only afterwards, for example while its line
    // is down. The servers that told entries before the loss know which message stood at each place then.
    const ofEpoch = servers.filter((server) => server.epoch === epoch)
    const lost = messagesByOffset(ofEpoch, (frame) => frame.offset > offset && frame.index < index, reading)
    const comparable = known.flatMap(({ offset, publishedAt }) => {
      const messages = lost.get(offset)
      return messages ? [messages.has(publishedAt)] : []
    })
    if (comparable.length > 0) return comparable.includes(true)
    // A server that began later has never read the lost entries: an entry that it has at the same place was not lost.
    const later = ofEpoch.filter((server) => server.firstWelcome > index)
    const kept = messagesByOffset(later, () => true, reading)
    return !known.some(({ offset, publishedAt }) => kept.get(offset)?.has(publishedAt))
  })
}

/** offset → the messages, by the index of their publication, that these servers told there */
function messagesByOffset(
  servers: readonly ServerInEpoch[],
  isMeant: (frame: PlacedFrame) => boolean,
  reading: Reading,
): ReadonlyMap<number, ReadonlySet<number>> {
  const messages = new Map<number, Set<number>>()
  for (const frame of servers.flatMap(({ told }) => told)) {
    const publishedAt = reading.publishedAt(frame)
    if (publishedAt === undefined || !isMeant(frame)) continue
    messages.set(frame.offset, (messages.get(frame.offset) ?? new Set<number>()).add(publishedAt))
  }
  return messages
}

/** Nothing can have been appended to a line once it was lost. */
function expectNothingNew({ epoch, connections }: Line, loss: LineLoss, reading: Reading, report: Report): void {
  for (const { id, frames } of connections) {
    for (const frame of frames) {
      if (!('offset' in frame) || frame.offset <= loss.offset || frame.index <= loss.index) continue
      if ((reading.publishedAt(frame) ?? -1) <= loss.index) continue
      const text = `${id} was told offset ${frame.offset} of ${epoch} by a server that had read entries behind ${loss.offset} before they were lost`
      report.add('fork', text, frame.index)
      break
    }
  }
}

/**
 * A client that has received entries that were lost learns so: its next connection on another line does not recover. Where the
 * one server that had read them was cut off, no other server could know before that one reconnected; the client learns it then.
 *
 * @param covered What its connections cover, in their order.
 */
export function checkTold(covered: readonly CoveredOnLine[], reading: Reading, report: Report): void {
  covered.forEach(({ line, position, id }, at) => {
    const next = covered[at + 1]
    if (!next || next.line === line || next.welcome.recovered !== true) return
    const bad = (text: string): void => report.add('pretended', `${next.id}: ${text}`, next.welcome.index)
    if (next.line.epoch !== line.epoch) return bad(`recovered after ${id}, which was of another epoch`)
    const { loss } = line
    if (!loss || position <= loss.offset) return
    if (!covered.slice(at + 2).some(({ welcome }) => welcome.recovered !== true)) {
      bad(`recovered at ${position}, what followed ${loss.offset} was lost, and nobody ever told it`)
    }
    const joined = reading.events.find(
      (event, index) => index > loss.index && event.type === 'broker' && event.what === 'joined',
    )
    if (joined && next.welcome.at > joined.at + NOTICE_MS)
      bad(`recovered at ${position}, although every server could know of the loss`)
  })
}

/**
 * Up to which offset two lines have the same entries. Lines of one epoch part at the first loss of either; lines of different
 * epochs share nothing.
 */
export function sharedUpTo(line: Line, other: Line): number {
  if (line === other) return Infinity
  if (line.epoch !== other.epoch) return 0
  return Math.min(line.loss?.offset ?? Infinity, other.loss?.offset ?? Infinity)
}

/** The entries before a loss are the same on both sides of it. */
export function expectCommon(lines: readonly JudgedLine[], report: Report): void {
  lines.forEach((line, at) => {
    for (const other of lines.slice(at + 1)) {
      if (other.epoch !== line.epoch) continue
      line.truth.expectSameUpTo(sharedUpTo(line, other), other.truth, report)
    }
  })
}

/** Completes each line by the entries that it shares with the others. */
export function shareCommon(lines: readonly JudgedLine[]): void {
  if (lines.length === 1) return
  for (const line of lines) {
    for (const other of lines) if (other !== line) line.truth.borrow(sharedUpTo(line, other), other.truth)
  }
  for (const { truth } of lines) truth.sort()
}

/** At the end all servers are on one line. */
export function expectOne(
  lines: readonly JudgedLine[],
  covered: ReadonlyMap<string, readonly CoveredOnLine[]>,
  terms: Terms,
  report: Report,
): void {
  if (!terms.complete) return
  const last = [...covered.values()].flatMap((all) => all.at(-1) ?? [])
  const epochs = new Set(last.map(({ line }) => line.name))
  if (epochs.size > 1 && lines.length > 1) report.add('split', `at the end there are ${[...epochs].join(' and ')}`)
}
