/**
 * The requirements of a deploy that no client notices, beyond those of the checker of a history. Pure.
 */

import { PROBE } from './crowds.mjs'

/** How much longer than the earlier 99th percentile a message may take, in milliseconds. */
const LATER_MS = 100

/**
 * @param {object} run
 * @param {readonly object[]} run.events
 * @param {number} run.deployAt When the deploy began, as the events' `at`.
 * @param {number} run.doneAt When the last old process had ended.
 * @param {readonly object[]} run.reports
 * @param {boolean} run.isTimed Whether a slower message is a fault.
 * @returns {{ faults: string[], figures: object }}
 */
export function judge({ events, deployAt, doneAt, reports, isTimed }) {
  const faults = []
  const lives = livesOf(events)
  const libraries = [...lives.values()].filter(({ kind }) => kind === 'library')
  const plain = [...lives.values()].filter(({ kind }) => kind === 'plain')

  for (const { name, moves, states, most } of libraries) {
    if (moves !== 1) faults.push(`${name} moved ${moves} times`)
    if (states.length > 0) faults.push(`${name}: its application received ${states.join(', ')}`)
    if (most > 2) faults.push(`${name} had ${most} connections at a time`)
  }
  const strangers = new Set()
  for (const { type, at, changes } of events) {
    if (type !== 'presence' || at < deployAt || at > doneAt) continue
    for (const name of changes.flatMap(({ joined, left }) => [...joined, ...left]))
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
  const count = (code) => events.filter((event) => event.type === 'closed' && event.code === code).length
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
function livesOf(events) {
  const lives = new Map()
  const open = new Map()
  for (const event of events) {
    const { type, client, connection } = event
    if (type === 'client') {
      lives.set(client, { name: client, kind: event.kind, moves: 0, states: [], connects: 0, now: 0, most: 0 })
    } else if (type === 'connect') {
      const life = lives.get(client)
      open.set(connection, life)
      life.connects++
      life.most = Math.max(life.most, ++life.now)
    } else if (type === 'closed' || type === 'given-up') {
      const life = open.get(connection)
      if (life) life.now--
      open.delete(connection)
    } else if (type === 'moved') lives.get(client).moves++
    else if (type === 'state' && event.state !== 'open') lives.get(client).states.push(event.state)
    else if (type === 'returned') lives.get(client).states.push('its return')
  }
  return lives
}

/** Connections that the server never accepted. */
function inVain(events) {
  const welcomed = new Set(events.filter(({ type }) => type === 'welcome').map(({ connection }) => connection))
  return events.filter(({ type, connection }) => type === 'connect' && !welcomed.has(connection))
}

/**
 * The latencies from one application to another, in milliseconds, ascending, as the measuring clients saw them. A client that
 * receives thousands of frames per second would measure its own delay.
 */
function latenciesOf(events, deployAt, doneAt) {
  const isProbe = (name) => name.startsWith(`${PROBE}-`)
  const saidAt = new Map()
  const said = new Map()
  for (const event of events) {
    if (event.type === 'publish' && isProbe(event.client)) said.set(`${event.client} ${event.id}`, event.at)
    if (event.type === 'settled' && isProbe(event.client)) {
      saidAt.set(event.offset, said.get(`${event.client} ${event.id}`))
    }
  }
  const before = []
  const during = []
  for (const { type, kind, offset, at, client } of events) {
    const from = type === 'delivered' && kind === 'message' && isProbe(client) ? saidAt.get(offset) : undefined
    if (from === undefined) continue
    if (at < deployAt) before.push(at - from)
    else if (from <= doneAt) during.push(at - from)
  }
  return { before: before.sort((a, b) => a - b), during: during.sort((a, b) => a - b) }
}

const percentile = (sorted, share) =>
  Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN)
