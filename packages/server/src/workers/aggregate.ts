/**
 * Aggregates the health, reports and shutdown states of several workers into those of one server. Pure. It adds numbers up;
 * where a sum has no meaning, it takes the largest or the earliest value.
 */
import type { Health } from '../http/health.js'
import type { ShutdownStatus } from '../http/api.js'
import type { DrainReport } from '../shutdown/drain-report.js'
import type { WorkerStatus } from './messages.js'

const sum = <T>(all: readonly T[], read: (one: T) => number): number => all.reduce((total, one) => total + read(one), 0)

export const connectionsOf = (statuses: readonly WorkerStatus[]): number =>
  sum(statuses, ({ health }) => health.activeConnections)

export interface HealthParts {
  /** The answers that arrived in time. */
  readonly all: readonly Health[]
  /** The answers of the generation that serves. Fields that are equal in all of them come from the first. */
  readonly serving: readonly Health[]
  readonly asked: number
  /** How many workers do not answer liveness checks. */
  readonly silent: number
  readonly isShuttingDown: boolean
  readonly uptimeSeconds: number
}

/** `undefined`: no worker has answered. */
export function healthOf({
  all,
  serving,
  asked,
  silent,
  isShuttingDown,
  uptimeSeconds,
}: HealthParts): Health | undefined {
  const [first] = serving.length > 0 ? serving : all
  if (!first) return undefined
  return {
    ...first,
    status: isShuttingDown ? 'draining' : 'healthy',
    shutdownInProgress: isShuttingDown,
    activeConnections: sum(all, ({ activeConnections }) => activeConnections),
    uptimeSeconds,
    journal: all.some(({ journal }) => journal === 'down') ? 'down' : 'up',
    workers: { asked, answered: all.length, silent },
  }
}

/** The aggregate report; `undefined`: there is none. Its peak of ends per second is an upper bound. */
export function reportOf(reports: readonly DrainReport[]): DrainReport | undefined {
  const [first] = reports
  if (!first) return undefined
  const total = (key: CountKey): number => sum(reports, (report) => report[key])
  const startedAt = reports.map((report) => report.startedAt).sort()[0] as string
  const ends = reports.map((report) => report.endedAt)
  const endedAt = ends.includes(undefined) ? undefined : ends.sort().at(-1)
  const spanMs = endedAt === undefined ? 0 : Date.parse(endedAt) - Date.parse(startedAt)
  return {
    ...first,
    startedAt,
    endedAt,
    durationSeconds: Math.max(spanMs / 1000, ...reports.map(({ durationSeconds }) => durationSeconds)),
    connectionsAtStart: total('connectionsAtStart'),
    cameLater: total('cameLater'),
    left: total('left'),
    moved: total('moved'),
    closedInSlot: total('closedInSlot'),
    closedAtDeadline: total('closedAtDeadline'),
    lost: total('lost'),
    remaining: total('remaining'),
    bytesUnflushed: total('bytesUnflushed'),
    messagesUnacked: total('messagesUnacked'),
    maxEndsPerSecond: total('maxEndsPerSecond'),
  }
}

type CountKey = Exclude<
  { [Key in keyof DrainReport]: DrainReport[Key] extends number ? Key : never }[keyof DrainReport],
  'durationSeconds'
>

/** The report of a worker that was killed during its drain: its remaining clients count as lost. */
export const cutOff = (report: DrainReport, endedAt: string): DrainReport => ({
  ...report,
  endedAt,
  lost: report.lost + report.remaining,
  remaining: 0,
})

export interface ShutdownParts {
  readonly isShuttingDown: boolean
  /** The answers that arrived in time. */
  readonly statuses: readonly WorkerStatus[]
  /** Reports of the workers that have ended since the shutdown began. */
  readonly ended: readonly DrainReport[]
}

export interface AggregateStatus extends ShutdownStatus {
  readonly report: DrainReport | undefined
}

export function shutdownStatusOf({ isShuttingDown, statuses, ended }: ShutdownParts): AggregateStatus {
  if (!isShuttingDown) return { state: 'serving', remainingMs: 0, report: undefined }
  const isDraining = statuses.some(({ state }) => state === 'draining' || state === 'serving')
  const running = statuses.flatMap(({ report }) => report ?? [])
  return {
    state: isDraining ? 'draining' : 'closing',
    remainingMs: Math.max(0, ...statuses.map(({ remainingMs }) => remainingMs)),
    report: reportOf([...running, ...ended]),
  }
}
