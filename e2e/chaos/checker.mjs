/**
 * The checker: judges a whole history. Pure: the same history, the same verdict. What it holds against the server and the
 * clients is written down from the protocol, not from the code.
 *
 *   node e2e/chaos/checker.mjs FILE
 */
import { checkClient, checkMissed } from './checker/client.mjs'
import { checkConnection } from './checker/connection.mjs'
import { checkEpochs, checkTold, expectCommon, expectOne, findLines } from './checker/lines.mjs'
import { checkPublisher } from './checker/publisher.mjs'
import { checkReach } from './checker/reach.mjs'
import { readHistory, readingOf } from './checker/reading.mjs'
import { findTruth } from './checker/truth.mjs'

class Report {
  violations = []

  /** @param index Of the event that showed it, if it was one. */
  add(kind, text, index) {
    this.violations.push({ kind, text, ...(index !== undefined && { index }) })
  }
}

/** @returns the violations, in no particular order; none: the promise was kept. */
export function check({ terms, events }) {
  const report = new Report()
  const reading = readHistory(events)
  checkEpochs(reading, terms, report)
  const lines = findLines(reading, report).map((line) => {
    const own = readingOf(reading, line.connections)
    return { ...line, reading: own, truth: findTruth(own, terms, report) }
  })
  expectCommon(lines, report)
  for (const line of lines) checkReach(line.reading, line.truth, terms, report)
  const covered = new Map()
  for (const client of reading.clients.values()) covered.set(client.name, checkOnLines(client, lines, report))
  for (const [name, all] of covered) {
    const client = reading.clients.get(name)
    checkTold(all, reading, report)
    checkMissed(client, all, report)
    const truths = lines.map(({ truth }) => truth)
    checkPublisher(client, all, truths, terms, report)
  }
  expectOne(lines, covered, terms, report)
  events.forEach((event, index) => {
    if (event.type === 'stuck') report.add('stuck', event.text, index)
    if (event.type === 'server' && event.what === 'fault')
      report.add('fault', `${event.instance}: ${event.text}`, index)
  })
  return report.violations
}

/**
 * Each connection of a client, and those that follow one another on one line: whoever was on another line meanwhile has
 * begun anew.
 *
 * @returns what they cover, in their order.
 */
function checkOnLines({ name }, lines, report) {
  const all = lines.flatMap((line) => {
    const { connections } = line.reading.clients.get(name)
    const covered = connections.flatMap((connection) => checkConnection(connection, line.truth, report) ?? [])
    return covered.map((each) => ({ ...each, line }))
  })
  all.sort((a, b) => a.welcome.index - b.welcome.index)
  const stretches = stretchesOf(all)
  for (const covered of stretches) {
    const [{ line }] = covered
    const client = line.reading.clients.get(name)
    const ids = new Set(covered.map(({ id }) => id))
    const delivered = client.delivered.filter(({ teller }) => ids.has(teller.id))
    const isElsewhereLater = covered !== stretches.at(-1)
    checkClient({ ...client, delivered, isElsewhereLater }, covered, line.reading, line.truth, report)
  }
  return all
}

function stretchesOf(all) {
  const stretches = []
  all.forEach((each, at) => {
    if (each.line === all[at - 1]?.line) stretches.at(-1).push(each)
    else stretches.push([each])
  })
  return stretches
}
