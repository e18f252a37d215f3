/**
 * The checker: judges a whole history. Pure: the same history, the same verdict. What it holds against the server and the
 * clients is written down from the protocol, not from the code.
 *
 *   node e2e/chaos/checker.mjs FILE
 */
import { checkClient } from './checker/client.mjs'
import { checkConnection } from './checker/connection.mjs'
import { checkPublisher } from './checker/publisher.mjs'
import { checkReach } from './checker/reach.mjs'
import { readHistory } from './checker/reading.mjs'
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
  const truth = findTruth(reading, terms, report)
  for (const client of reading.clients.values()) {
    const covered = client.connections.flatMap((connection) => checkConnection(connection, truth, report) ?? [])
    covered.sort((a, b) => a.welcome.index - b.welcome.index)
    checkClient(client, covered, reading, truth, report)
    checkPublisher(client, covered, truth, terms, report)
  }
  checkReach(reading, truth, terms, report)
  events.forEach((event, index) => {
    if (event.type === 'stuck') report.add('stuck', event.text, index)
    if (event.type === 'server' && event.what === 'fault')
      report.add('fault', `${event.instance}: ${event.text}`, index)
  })
  return report.violations
}
