/**
 * The messages between the primary and a worker. The two may be of different builds, because a reload starts the new build
 * under the old primary: a receiver ignores unknown messages, and a change may only add fields.
 */
import type { Address } from '../http/listen.js'
import type { Health } from '../http/health.js'
import type { ShutdownStatus } from '../http/api.js'
import type { MetricReading } from '../observability/metrics.js'
import type { DrainReport } from '../shutdown/drain-report.js'
import type { ShutdownRequest } from '../shutdown/shutdown-options.js'
import type { ShutdownLimits } from './shutdown-bound.js'

/** The identity of a worker: its number, from 1, in its generation, from 1. */
export interface WorkerIdentity {
  readonly worker: number
  readonly generation: number
}

export type ToWorker =
  | {
      readonly kind: 'start'
      readonly identity: WorkerIdentity
      /** For a worker without SESSION_SECRET: a session must be valid at every worker. */
      readonly sessionSecret: string
      /** Whether the worker may accept clients without a token: not when the workers that serve now require tokens. */
      readonly mayBeOpen: boolean
      /** Whether a prepared worker waits for `listen`. A primary of an older build does not send this field. */
      readonly waitsToListen?: boolean
      /** The descriptor, in the primary, of the socket to serve; without it the worker listens on HOST and PORT. */
      readonly listenFd?: number | undefined
    }
  /** All workers of the generation are prepared: listen. */
  | { readonly kind: 'listen' }
  /** Another generation has taken over: stop listening and drain. */
  | { readonly kind: 'leave' }
  | { readonly kind: 'shutdown'; readonly why: string; readonly request: ShutdownRequest }
  /** End the waiting of the drain. */
  | { readonly kind: 'hurry' }
  | Question<keyof WorkerAnswers>
  | Answer

export type FromWorker =
  /** The worker has started and has read its configuration, WORKERS included. */
  | { readonly kind: 'hello'; readonly workers: number; readonly limits?: ShutdownLimits }
  /** The worker waits for the journal's server. Sent every second meanwhile. */
  | { readonly kind: 'waiting' }
  /** The worker has read the journal and is ready to listen. */
  | { readonly kind: 'prepared' }
  /** The worker listens. */
  | { readonly kind: 'ready'; readonly address: Address; readonly isOpen: boolean }
  /** The worker cannot start, and ends. */
  | { readonly kind: 'failed'; readonly message: string }
  /** The worker's last connection has ended, and the worker has closed everything. */
  | { readonly kind: 'ended'; readonly report: DrainReport; readonly metrics: readonly MetricReading[] }
  | Question<keyof PrimaryAnswers>
  | Answer

/** The queries that a worker answers. */
export interface WorkerAnswers {
  standing: WorkerStatus
  metrics: readonly MetricReading[]
  cancel: boolean
  alive: true
}

/** The queries that the primary answers. */
export interface PrimaryAnswers {
  health: Health
  ready: boolean
  metrics: string
  status: ShutdownStatus
  begin: boolean
  cancel: boolean
}

/** The state of one worker. */
export interface WorkerStatus {
  readonly health: Health
  readonly state: string
  readonly remainingMs: number
  readonly report: DrainReport | undefined
}

export interface Question<About extends string = string> {
  readonly kind: 'question'
  readonly id: number
  readonly about: About
  readonly content?: unknown
}

export interface Answer {
  readonly kind: 'answer'
  readonly id: number
  readonly content?: unknown
  /** The error, when there is no result. */
  readonly error?: string
}
