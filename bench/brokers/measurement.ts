/** The options of a measurement over one journal, and its outcome. */
import type { Engine, MeasuredJournal } from './journals.js'

export interface MeasurementOptions {
  readonly journal: MeasuredJournal
  readonly engine: Engine
  /** Messages per second over all publishers; 0: as many as possible. */
  readonly rate: number
  /** How long the measurement takes after the warm-up. */
  readonly seconds: number
  /** How many messages are delivered before the throughput is measured. */
  readonly warmUpMessages: number
  /** Of a message's data, in bytes. */
  readonly size: number
  /** Connections that publish, per instance. */
  readonly publishers: number
  /** The file of the command. Default: that of this repository. */
  readonly command: string | undefined
  /** The folder into which each instance writes a CPU profile when it ends. Default: none. */
  readonly profiles: string | undefined
}

export interface Goal {
  readonly what: string
  readonly figure: number
  readonly isReached: boolean
  /** The program fails when such a goal is missed. A goal of speed is only reported. */
  readonly isCorrectness: boolean
}

export interface Measurement {
  /** A table, by the name of the row. */
  readonly rows: Readonly<Record<string, Readonly<Record<string, string | number>>>>
  readonly goals: readonly Goal[]
  /** Lines below the table. */
  readonly notes: readonly string[]
}
