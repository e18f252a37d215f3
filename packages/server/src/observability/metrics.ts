/**
 * The metrics of an instance for Prometheus. Other files count in plain numbers; this file names the metrics and reads the
 * numbers at each scrape. Names follow https://prometheus.io/docs/practices/naming/.
 */
import { CLOSE_CODES } from '@lastcall/protocol'
import {
  Counter,
  Gauge,
  Registry,
  collectDefaultMetrics,
  type MetricObjectWithValues,
  type MetricValue,
} from 'prom-client'
import { droppedLogLines } from './log-destination.js'
import type { Readings, Stats } from './stats.js'

/** The build of this instance: the labels of `lastcall_build_info`. */
export interface BuildInfo {
  readonly version: string
  readonly build: string
  readonly node: string
}

/** A metric with its values, as a worker sends it to the primary. */
export type MetricReading = MetricObjectWithValues<MetricValue<string>>

const SHUTDOWN_STATES = ['starting', 'serving', 'draining', 'closing', 'closed'] as const

/** Defines metrics in a registry. Each metric reads its value at a scrape. Names get the prefix `lastcall_`. */
interface Definer {
  readonly counter: (name: string, help: string, read: () => number) => void
  readonly countersBy: (
    nameAndLabel: readonly [name: string, label: string],
    help: string,
    read: () => Iterable<readonly [key: string | number, count: number]>,
  ) => void
  readonly gauge: (name: string, help: string, read: () => number) => void
  readonly gaugesBy: (
    nameAndLabel: readonly [name: string, label: string],
    help: string,
    read: () => Iterable<readonly [key: string, value: number]>,
  ) => void
}

/** @returns a registry for this server alone, so that several servers can live in one process. */
export function createMetrics(stats: Stats, readings: () => Readings, info?: BuildInfo): Registry {
  const registry = new Registry()
  const define = definer(registry)
  defineSpecified(define, stats, readings)
  defineConnections(define, stats, readings)
  defineMessages(define, stats)
  defineJournal(define, stats, readings)
  defineInstances(define, stats, readings)
  defineWindow(define, readings)
  defineShutdown(define, readings)
  if (info) defineBuild(registry, info)
  return Registry.merge([registry, processRegistry()])
}

function definer(registry: Registry): Definer {
  const registers = [registry]
  return {
    counter(name, help, read) {
      new Counter({
        name: `lastcall_${name}`,
        help,
        registers,
        collect() {
          this.reset()
          this.inc(read())
        },
      })
    },
    countersBy([name, label], help, read) {
      new Counter({
        name: `lastcall_${name}`,
        help,
        labelNames: [label],
        registers,
        collect() {
          this.reset()
          for (const [key, count] of read()) this.inc({ [label]: key }, count)
        },
      })
    },
    gauge(name, help, read) {
      new Gauge({
        name: `lastcall_${name}`,
        help,
        registers,
        collect() {
          this.set(read())
        },
      })
    },
    gaugesBy([name, label], help, read) {
      new Gauge({
        name: `lastcall_${name}`,
        help,
        labelNames: [label],
        registers,
        collect() {
          for (const [key, value] of read()) this.set({ [label]: key }, value)
        },
      })
    },
  }
}

/** The four metrics of the specification. */
function defineSpecified({ counter, gauge }: Definer, stats: Stats, readings: () => Readings): void {
  gauge('active_connections', 'Clients connected now.', () => readings().activeConnections)
  counter('messages_sent_total', 'Messages sent to clients, one for each recipient.', () => stats.deliveries)
  gauge(
    'shutdown_duration_seconds',
    'Duration of the last shutdown; 0 before there is one.',
    () => stats.shutdownSeconds,
  )
  counter(
    'failed_broadcasts_total',
    'Deliveries to clients whose connection had already ended.',
    () => stats.failedBroadcasts,
  )
}

function defineConnections({ counter, countersBy, gauge }: Definer, stats: Stats, readings: () => Readings): void {
  counter('connects_total', 'Clients that the server accepted.', () => stats.connects)
  countersBy(['rejections_total', 'reason'], 'Handshakes that the server rejected.', () => stats.rejections)
  countersBy(
    ['disconnects_total', 'code'],
    'Connections that ended, by close code; 1006 is an end without a close frame, `other` any code that is not in the protocol.',
    () => endsByLabel(stats.ends),
  )
  countersBy(
    ['dependency_failures_total', 'dependency'],
    "Failures of the issuer's keys (jwks) and of the application's hooks; each may have cost a client or a message.",
    () => stats.dependencyFailures,
  )
  counter('takeovers_total', 'Connections that a newer one of the same client replaced.', () => stats.takeovers)
  gauge(
    'behind_connections',
    'Clients that read more slowly than the server delivers; the server delivers to them from the window.',
    () => readings().behindConnections,
  )
  countersBy(['resumes_total', 'outcome'], 'Clients that resumed with a cursor.', () => [
    ['recovered', stats.resumesRecovered],
    ['not_recovered', stats.resumesNotRecovered],
  ])
}

function defineMessages({ counter }: Definer, stats: Stats): void {
  counter(
    'messages_taken_total',
    'Messages of clients that the server accepted for publishing.',
    () => stats.messagesTaken,
  )
  counter('duplicates_total', 'Retries of clients, which the server did not deliver again.', () => stats.duplicates)
  counter(
    'rate_limited_total',
    'Messages that the server refused because their client sent too many.',
    () => stats.rateLimited,
  )
  counter('sent_bytes_total', 'Bytes written to clients.', () => stats.bytesSent)
}

function defineJournal({ counter, gauge }: Definer, stats: Stats, readings: () => Readings): void {
  gauge('journal_up', 'Whether the journal can be reached: 1 or 0.', () => Number(readings().journalAvailable))
  gauge(
    'journal_lag_seconds',
    'Time from accepting the newest message of this instance to reading it back from the journal.',
    () => readings().journalLagMs / 1_000,
  )
  counter('journal_appends_total', 'Entries appended to the journal.', () => stats.appends)
  counter('journal_append_failures_total', 'Entries that the journal refused.', () => stats.appendFailures)
  counter(
    'journal_unknown_entries_total',
    'Entries of a newer version that this version skipped.',
    () => stats.unknownEntries,
  )
}

function defineInstances({ counter, gauge, gaugesBy }: Definer, stats: Stats, readings: () => Readings): void {
  gaugesBy(
    ['instances', 'state'],
    'Instances that share the journal, this one included, by the state that they record there; 0 with `memory:`.',
    () => {
      const { instancesStarting, instancesReady, instancesDraining } = readings()
      return [
        ['starting', instancesStarting],
        ['ready', instancesReady],
        ['draining', instancesDraining],
      ]
    },
  )
  gauge(
    'cluster_clients',
    'Clients connected to all instances that share the journal. Every instance reports the same number.',
    () => readings().clusterClients,
  )
  counter(
    'instances_lost_total',
    'Other instances from which nothing came for INSTANCE_TIMEOUT.',
    () => stats.instancesLost,
  )
  counter(
    'roster_requests_total',
    'Times that what this instance knew of another one differed from what that one announced.',
    () => stats.rosterRequests,
  )
}

function defineWindow({ gauge }: Definer, readings: () => Readings): void {
  gauge(
    'window_entries',
    'Entries in the window, in memory, for clients that resume or are behind.',
    () => readings().windowEntries,
  )
  gauge('window_bytes', 'Bytes of the entries in the window.', () => readings().windowBytes)
}

function defineShutdown({ gauge, gaugesBy }: Definer, readings: () => Readings): void {
  gaugesBy(['shutdown_state', 'state'], 'The state of the server: 1 for the one it is in, 0 for the others.', () => {
    const { shutdownState } = readings()
    return SHUTDOWN_STATES.map((state) => [state, Number(state === shutdownState)] as const)
  })
  gauge(
    'shutdown_remaining_seconds',
    'Time until a shutdown closes the remaining connections; 0 without a shutdown.',
    () => readings().shutdownRemainingMs / 1_000,
  )
}

function defineBuild(registry: Registry, info: BuildInfo): void {
  new Gauge({
    name: 'lastcall_build_info',
    help: 'Always 1; the labels say which build this is.',
    labelNames: ['version', 'build', 'node'],
    registers: [registry],
  }).set({ ...info }, 1)
}

/**
 * Close codes of the protocol, of RFC 6455 (section 7.4.1) and its registry, and the one that `@lastcall/client` sends on a
 * dead link.
 */
const KNOWN_CLOSE_CODES = new Set<number>([
  ...Object.values(CLOSE_CODES),
  ...[1000, 1001, 1002, 1003, 1005, 1006, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 4000],
])

/** Clients choose close codes, so a label for every code would have 2,000 values. */
function endsByLabel(ends: ReadonlyMap<number, number>): Map<string, number> {
  const byLabel = new Map<string, number>()
  for (const [code, count] of ends) {
    const label = KNOWN_CLOSE_CODES.has(code) ? String(code) : 'other'
    byLabel.set(label, (byLabel.get(label) ?? 0) + count)
  }
  return byLabel
}

let ofThisProcess: Registry | undefined

/** CPU, memory, garbage collection, event loop lag and the log: measured once per process, for any number of servers. */
function processRegistry(): Registry {
  if (!ofThisProcess) {
    ofThisProcess = new Registry()
    collectDefaultMetrics({ register: ofThisProcess })
    countDroppedLines(ofThisProcess)
  }
  return ofThisProcess
}

/** Counts the dropped log lines of this process, in a registry. */
export function countDroppedLines(registry: Registry): void {
  new Counter({
    name: 'lastcall_log_lines_dropped_total',
    help: 'Lines of the log that the server dropped because their reader was too slow.',
    registers: [registry],
    collect() {
      this.reset()
      this.inc(droppedLogLines())
    },
  })
}
