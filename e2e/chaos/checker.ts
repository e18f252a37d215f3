/**
 * The checker: judges a complete history. Pure: the same history, the same verdict. Its rules for the server and the clients
 * come from the protocol, not from the code.
 */
import { checkClient, checkMissed, isDeclined, type Elsewhere, type Stretch } from './checker/client.js'
import { checkConnection } from './checker/connection.js'
import {
  checkEpochs,
  checkTold,
  expectCommon,
  expectOne,
  findLines,
  shareCommon,
  sharedUpTo,
  type CoveredOnLine,
  type JudgedLine,
} from './checker/lines.js'
import { checkPublisher } from './checker/publisher.js'
import { checkReach } from './checker/reach.js'
import { readHistory, readingOf, type Client, type Delivered } from './checker/reading.js'
import { Report, type Violation } from './checker/report.js'
import { findTruth } from './checker/truth.js'
import type { HistoryFile, Terms } from './history-events.js'

/** @returns the violations, in no particular order; none: the servers and the clients kept their promises. */
export function check({ terms, events }: HistoryFile): readonly Violation[] {
  const report = new Report()
  const reading = readHistory(events)
  checkEpochs(reading, terms, report)
  const lines = findLines(reading, report).map((line): JudgedLine => {
    const own = readingOf(reading, line.connections)
    return { ...line, reading: own, truth: findTruth(own, terms, report) }
  })
  expectCommon(lines, report)
  shareCommon(lines)
  for (const line of lines) checkReach(line.reading, line.truth, terms, report)
  const covered = new Map<string, readonly CoveredOnLine[]>()
  for (const client of reading.clients.values()) covered.set(client.name, checkOnLines(client, lines, terms, report))
  const truths = lines.map(({ truth }) => truth)
  for (const client of reading.clients.values()) {
    const all = covered.get(client.name) ?? []
    checkTold(all, reading, report)
    checkMissed(client, all, report)
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
 * the highest offset that it has received on either, so an entry that both lines share counts on either connection.
 *
 * @returns what the connections cover, in their order.
 */
function checkOnLines(
  client: Client,
  lines: readonly JudgedLine[],
  terms: Terms,
  report: Report,
): readonly CoveredOnLine[] {
  const all = lines.flatMap((line) => {
    const connections = line.reading.clients.get(client.name)?.connections ?? []
    const covered = connections.flatMap((connection) => checkConnection(connection, line.truth, report) ?? [])
    return covered.map((each): CoveredOnLine => ({ ...each, line }))
  })
  all.sort((a, b) => a.welcome.index - b.welcome.index)
  const used = client.kind === 'library' ? all.filter((each) => !isDeclined(each, all)) : all
  const stretches = stretchesOf(used)
  for (const covered of stretches) {
    const [{ line }] = covered
    const ids = new Set(covered.map(({ id }) => id))
    checkClient(
      {
        ...client,
        delivered: client.delivered.filter(({ teller }) => teller !== undefined && ids.has(teller.id)),
        isElsewhereLater: covered !== stretches.at(-1),
        hasCommonPresence: !terms.isRemote,
      },
      covered,
      elsewhereOf(covered, used, client),
      line.reading,
      line.truth,
      report,
    )
  }
  return all
}

function elsewhereOf(
  covered: Stretch<CoveredOnLine>,
  used: readonly CoveredOnLine[],
  { delivered }: Client,
): Elsewhere {
  const [{ line }] = covered
  const others = used.filter((each) => !covered.includes(each))
  /** connection → up to which offset its line is the same */
  const bounds = new Map(others.map((each) => [each.id, sharedUpTo(line, each.line)]))
  const isShared = (connection: string | undefined, offset: number): boolean =>
    connection !== undefined && offset <= (bounds.get(connection) ?? 0)
  const told = new Set<number>()
  for (const each of others) {
    for (const offset of each.told) if (isShared(each.id, offset)) told.add(offset)
  }
  const shared = (each: Delivered): boolean => isShared(each.teller?.id, each.offset)
  return { told, delivered: delivered.filter(shared) }
}

function stretchesOf(all: readonly CoveredOnLine[]): Stretch<CoveredOnLine>[] {
  const stretches: Stretch<CoveredOnLine>[] = []
  for (const each of all) {
    const current = stretches.at(-1)
    if (current?.[0].line === each.line) current.push(each)
    else stretches.push([each])
  }
  return stretches
}
