/**
 * What the primary and a worker say to each other over their channel. The two may be of different builds, for a reload
 * starts the new build beneath the old primary: what is not known is ignored, and a field is only ever added.
 */
import type { Address } from '../http/listen.js'
import type { Health } from '../http/health.js'
import type { ShutdownStatus } from '../http/api.js'
import type { MetricReading } from '../observability/metrics.js'
import type { DrainReport } from '../shutdown/drain-report.js'
import type { ShutdownRequest } from '../shutdown/shutdown-options.js'
import type { ShutdownLimits } from './shutdown-bound.js'

/** Which worker it is: its number, from 1, in its generation, from 1. */
export interface WorkerIdentity {
  readonly worker: number
  readonly generation: number
}

export type ToWorker =
  | {
      readonly kind: 'start'
      readonly identity: WorkerIdentity
      /** For who has configured none: a session is to be valid at every worker. */
      readonly sessionSecret: string
      /** Whether it may serve without asking for tokens: not where those who serve now ask for them. */
      readonly mayBeOpen: boolean
      /** Whether it waits for `listen` when it is prepared to. A primary of an older build does not say it. */
      readonly waitsToListen?: boolean
      /** The descriptor, in the primary, of the socket to serve instead of HOST and PORT; none: those. */
      readonly listenFd?: number | undefined
    }
  /** All that start together are prepared. */
  | { readonly kind: 'listen' }
  /** Another generation has taken over: no more newcomers, and good-bye to who is there. */
  | { readonly kind: 'leave' }
  | { readonly kind: 'shutdown'; readonly why: string; readonly request: ShutdownRequest }
  /** No more waiting. */
  | { readonly kind: 'hurry' }
  | Question<keyof WorkerAnswers>
  | Answer

export type FromWorker =
  /** It is there and has read its configuration, with WORKERS in it. */
  | { readonly kind: 'hello'; readonly workers: number; readonly limits?: ShutdownLimits }
  /** It waits for the journal's server: sent every second while it does. */
  | { readonly kind: 'waiting' }
  /** It has read the journal and could listen. */
  | { readonly kind: 'prepared' }
  /** It listens. */
  | { readonly kind: 'ready'; readonly address: Address; readonly isOpen: boolean }
  /** It can't, and ends. */
  | { readonly kind: 'failed'; readonly message: string }
  /** Everybody has gone and everything is closed. */
  | { readonly kind: 'ended'; readonly report: DrainReport; readonly metrics: readonly MetricReading[] }
  | Question<keyof PrimaryAnswers>
  | Answer

/** What a worker can be asked. */
export interface WorkerAnswers {
  standing: WorkerStatus
  metrics: readonly MetricReading[]
  cancel: boolean
  alive: true
}

/** What the primary can be asked. */
export interface PrimaryAnswers {
  health: Health
  ready: boolean
  metrics: string
  status: ShutdownStatus
  begin: boolean
  cancel: boolean
}

/** How one worker does. */
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
  /** Why there is none. */
  readonly error?: string
}
