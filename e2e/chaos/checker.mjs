/**
 * The checker: judges a whole history. Pure: the same history, the same verdict. What it holds against the server and the
 * clients is written down from the protocol, not from the code.
 *
 *   node e2e/chaos/checker.mjs FILE
 */
import { checkClient, checkMissed, isDeclined } from './checker/client.mjs'
import { checkConnection } from './checker/connection.mjs'
import {
  checkEpochs,
  checkTold,
  expectCommon,
  expectOne,
  findLines,
  shareCommon,
  sharedUpTo,
} from './checker/lines.mjs'
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
  shareCommon(lines)
  for (const line of lines) checkReach(line.reading, line.truth, terms, report)
  const covered = new Map()
  for (const client of reading.clients.values()) covered.set(client.name, checkOnLines(client, lines, terms, report))
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
 * Checks each connection of a client, and each stretch of connections that follow one another on one line. A client begins
 * anew when it reaches another line.
 *
 * A client that takes over may have two connections at once, to servers that end up on different lines. It resumes behind
 * the highest offset that it has received on either, so an entry that both lines share counts wherever the client got it.
 *
 * @returns what the connections cover, in their order.
 */
function checkOnLines(client, lines, terms, report) {
  const { name } = client
  const all = lines.flatMap((line) => {
    const { connections } = line.reading.clients.get(name)
    const covered = connections.flatMap((connection) => checkConnection(connection, line.truth, report) ?? [])
    return covered.map((each) => ({ ...each, line }))
  })
  all.sort((a, b) => a.welcome.index - b.welcome.index)
  const used = client.kind === 'library' ? all.filter((each) => !isDeclined(each, all)) : all
  const stretches = stretchesOf(used)
  for (const covered of stretches) {
    const [{ line }] = covered
    const elsewhere = elsewhereOf(covered, used, client)
    const hasCommonPresence = !terms.isRemote
    const ids = new Set(covered.map(({ id }) => id))
    const delivered = client.delivered.filter(({ teller }) => teller !== undefined && ids.has(teller.id))
    const isElsewhereLater = covered !== stretches.at(-1)
    checkClient(
      { ...client, delivered, isElsewhereLater, hasCommonPresence },
      covered,
      elsewhere,
      line.reading,
      line.truth,
      report,
    )
  }
  return all
}

/**
 * The entries of this line that the client received on its connections outside this stretch. `told` has their offsets;
 * `delivered` has those that the client library passed to the application.
 */
function elsewhereOf(covered, used, { delivered }) {
  const [{ line }] = covered
  const others = used.filter((each) => !covered.includes(each))
  const bounds = new Map(others.map((each) => [each.id, sharedUpTo(line, each.line)]))
  const told = new Set()
  for (const each of others) {
    for (const offset of each.told) if (offset <= bounds.get(each.id)) told.add(offset)
  }
  const isShared = ({ teller, offset }) => offset <= (bounds.get(teller?.id) ?? 0)
  return { told, delivered: delivered.filter(isShared) }
}

function stretchesOf(all) {
  const stretches = []
  all.forEach((each, at) => {
    if (each.line === all[at - 1]?.line) stretches.at(-1).push(each)
    else stretches.push([each])
  })
  return stretches
}
