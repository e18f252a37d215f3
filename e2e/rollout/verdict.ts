/**
 * The requirements of a deploy that no client notices, beyond those of the checker of a history. Pure.
 */

import type { HistoryEvent } from '../chaos/history-events.js'

/** The part of the crowd that measures. */
export const PROBE = 'probe'

/** How much longer than the earlier 99th percentile a message may take, in milliseconds. */
const LATER_MS = 100

/** What the report of a drained server counts: see drain-report.ts of the server. */
export interface Report {
  readonly connectionsAtStart: number
  readonly cameLater: number
  readonly left: number
  readonly moved: number
  readonly closedInSlot: number
  readonly closedAtDeadline: number
  readonly lost: number
  readonly remaining: number
  readonly messagesUnacked: number
}

export interface Run {
  readonly events: readonly HistoryEvent[]
  /** When the deploy began, as the events' `at`. */
  readonly deployAt: number
  /** When the last old process had ended. */
  readonly doneAt: number
  readonly reports: readonly Report[]
  /** Whether a slower message is a fault. */
  readonly isTimed: boolean
}

export interface Verdict {
  readonly faults: readonly string[]
  readonly figures: Readonly<Record<string, number>>
}

/** A client by the history. */
interface Life {
  readonly name: string
  readonly kind: string
  moves: number
  /** What its application received of states. */
  readonly states: string[]
  connects: number
  now: number
  /** The most connections at a time. */
  most: number
}

export function judge({ events, deployAt, doneAt, reports, isTimed }: Run): Verdict {
  const faults: string[] = []
  const lives = livesOf(events)
  const libraries = [...lives.values()].filter(({ kind }) => kind === 'library')
  const plain = [...lives.values()].filter(({ kind }) => kind === 'plain')

  for (const { name, moves, states, most } of libraries) {
    if (moves !== 1) faults.push(`${name} moved ${moves} times`)
    if (states.length > 0) faults.push(`${name}: its application received ${states.join(', ')}`)
    if (most > 2) faults.push(`${name} had ${most} connections at a time`)
  }
  const strangers = new Set<string>()
  for (const event of events) {
    if (event.type !== 'presence' || event.at < deployAt || event.at > doneAt) continue
    for (const name of event.changes.flatMap(({ joined, left }) => [...joined, ...left]))
      if (lives.get(name)?.kind === 'library') strangers.add(name)
  }
  if (strangers.size > 0) faults.push(`presence reported clients that only migrated: ${[...strangers].join(', ')}`)
  for (const { connection, at } of inVain(events)) {
    if (at >= deployAt) faults.push(`${connection} was rejected, or ended before its welcome`)
  }
  const latency = latenciesOf(events, deployAt, doneAt)
  const p99 = percentile(latency.before, 0.99)
  const worst = latency.during.at(-1) ?? NaN
  if (latency.before.length === 0 || latency.during.length === 0) faults.push('no client measured a latency')
  if (isTimed && !(worst <= p99 + LATER_MS))
    faults.push(`a message took ${Math.round(worst)} ms; before, 99 of 100 took at most ${p99} ms`)
  for (const report of reports) {
    const { connectionsAtStart, cameLater, left, moved, closedInSlot, closedAtDeadline, lost, remaining } = report
    const sum = left + moved + closedInSlot + closedAtDeadline + lost + remaining
    if (connectionsAtStart + cameLater !== sum) faults.push(`a report does not add up: ${JSON.stringify(report)}`)
    if (lost + remaining + report.messagesUnacked > 0) faults.push(`a report has losses: ${JSON.stringify(report)}`)
  }
  const count = (code: number): number =>
    events.filter((event) => event.type === 'closed' && event.code === code).length
  return {
    faults,
    figures: {
      libraries: libraries.length,
      moved: libraries.filter(({ moves }) => moves === 1).length,
      attempts: libraries.reduce((sum, { connects }) => sum + connects, 0),
      plain: plain.length,
      plainReconnects: plain.reduce((sum, { connects }) => sum + connects - 1, 0),
      closed1001: count(1001),
      closed1006: count(1006),
      closed1013: count(1013),
      published: events.filter(({ type }) => type === 'publish').length,
      measured: latency.before.length + latency.during.length,
      p50BeforeMs: percentile(latency.before, 0.5),
      p99BeforeMs: p99,
      p50DuringMs: percentile(latency.during, 0.5),
      p99DuringMs: percentile(latency.during, 0.99),
      worstDuringMs: Math.round(worst),
      deployMs: Math.round(doneAt - deployAt),
    },
  }
}

/** Each client, by the history: its moves, the events of its application, and the number of its connections at a time. */
function livesOf(events: readonly HistoryEvent[]): ReadonlyMap<string, Life> {
  const lives = new Map<string, Life>()
  const open = new Map<string, Life>()
  for (const event of events) {
    if (event.type === 'client') {
      const { client, kind } = event
      lives.set(client, { name: client, kind, moves: 0, states: [], connects: 0, now: 0, most: 0 })
    } else if (event.type === 'connect') {
      const life = lives.get(event.client)
      if (!life) continue
      open.set(event.connection, life)
      life.connects++
      life.most = Math.max(life.most, ++life.now)
    } else if (event.type === 'closed' || event.type === 'given-up') {
      const life = open.get(event.connection)
      if (life) life.now--
      open.delete(event.connection)
    } else if (event.type === 'moved') {
      const life = lives.get(event.client)
      if (life) life.moves++
    } else if (event.type === 'state' && event.state !== 'open') lives.get(event.client)?.states.push(event.state)
    else if (event.type === 'returned') lives.get(event.client)?.states.push('its return')
  }
  return lives
}

/** Connections that the server never accepted. */
function inVain(events: readonly HistoryEvent[]): { readonly connection: string; readonly at: number }[] {
  const welcomed = new Set(events.flatMap((event) => (event.type === 'welcome' ? [event.connection] : [])))
  return events.flatMap((event) => (event.type === 'connect' && !welcomed.has(event.connection) ? [event] : []))
}

/**
 * The latencies from one application to another, in milliseconds, ascending, as the measuring clients saw them. A client that
 * receives thousands of frames per second would measure its own delay.
 */
function latenciesOf(
  events: readonly HistoryEvent[],
  deployAt: number,
  doneAt: number,
): { readonly before: readonly number[]; readonly during: readonly number[] } {
  const isProbe = (name: string): boolean => name.startsWith(`${PROBE}-`)
  /** offset → when a client published what stands there */
  const saidAt = new Map<number, number>()
  const said = new Map<string, number>()
  for (const event of events) {
    if (event.type === 'publish' && isProbe(event.client)) said.set(`${event.client} ${event.id}`, event.at)
    if (event.type === 'settled' && isProbe(event.client)) {
      const at = said.get(`${event.client} ${event.id}`)
      if (at !== undefined) saidAt.set(event.offset, at)
    }
  }
  const before: number[] = []
  const during: number[] = []
  for (const event of events) {
    if (event.type !== 'delivered' || event.kind !== 'message' || !isProbe(event.client)) continue
    const from = saidAt.get(event.offset)
    if (from === undefined) continue
    if (event.at < deployAt) before.push(event.at - from)
    else if (from <= doneAt) during.push(event.at - from)
  }
  return { before: before.sort((a, b) => a - b), during: during.sort((a, b) => a - b) }
}

const percentile = (sorted: readonly number[], share: number): number =>
  Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN)
