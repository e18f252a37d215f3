/**
 * The progress of a shutdown, as the log reports it every few seconds. Stores how many connections had ended at the last
 * line, for the rate since then.
 */
import { forecast } from './drain-plan.js'
import type { DrainReport } from './drain-report.js'

/** A number of connections, in English. */
export const countOfConnections = (count: number): string => `${count} ${count === 1 ? 'connection' : 'connections'}`

/** The message of the line that reports the start of a shutdown. */
export const shutdownStarted = (connections: number, timeoutMs: number): string =>
  `the shutdown has started: ${countOfConnections(connections)} may take up to ${timeoutMs / 1000} s to leave`

/** The message of a line about the progress. */
export const connectionsLeft = (count: number): string =>
  `${countOfConnections(count)} ${count === 1 ? 'is' : 'are'} left`

/** The interval between two lines about the progress, in milliseconds. */
export const PROGRESS_EVERY_MS = 10_000

export class DrainProgress {
  #gone = 0
  #atMs: number

  /** @param nowMs By the monotonic clock, as all times here. */
  constructor(nowMs: number) {
    this.#atMs = nowMs
  }

  /** The fields of the next line. */
  next(
    { connectionsAtStart, cameLater, remaining, left, moved, lost }: DrainReport,
    nowMs: number,
    deadlineInMs: number,
  ) {
    const gone = connectionsAtStart + cameLater - remaining
    const { perSecond, doneInMs } = forecast(remaining, gone - this.#gone, nowMs - this.#atMs)
    this.#gone = gone
    this.#atMs = nowMs
    return {
      remaining,
      left,
      moved,
      lost,
      perSecond: Math.round(perSecond * 100) / 100,
      doneInSeconds: doneInMs === undefined ? null : Math.round(doneInMs / 1000),
      deadlineInSeconds: Math.round(deadlineInMs / 1000),
      deadlineWillBeMissed: doneInMs === undefined || doneInMs > deadlineInMs,
    }
  }
}
