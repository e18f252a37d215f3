/**
 * A worker's process as far as whoever counts them needs to know it: how it is spoken to, and what it tells.
 */
import type { Address } from '../http/listen.js'
import type { ToWorker } from './messages.js'

export interface WorkerProcess {
  readonly pid: number | undefined
  send(message: ToWorker): void
  /** Ends it at once. */
  kill(): void
}

export interface WorkerExit {
  readonly code: number | null
  readonly signal: string | null
  /** What it said last on standard error. */
  readonly complaint: string
}

/** What a worker's process tells. */
export interface WorkerListener {
  /** It has read its configuration: how many workers there shall be. */
  onHello(workers: number): void
  /** It waits for the journal's server, and says so every second. */
  onWaiting(): void
  /** It could listen, and waits until it is told to. */
  onPrepared(): void
  onReady(address: Address): void
  /** Why it is about to end. */
  onFailed(message: string): void
  onExit(exit: WorkerExit): void
}
