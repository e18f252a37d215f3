/**
 * The part of a worker's process that the generations need: the messages to it, and its events.
 */
import type { Address } from '../http/listen.js'
import type { ToWorker } from './messages.js'

export interface WorkerProcess {
  readonly pid: number | undefined
  send(message: ToWorker): void
  /** Kills the process. */
  kill(): void
}

export interface WorkerExit {
  readonly code: number | null
  readonly signal: string | null
  /** The end of its standard error. */
  readonly complaint: string
}

/** The events of a worker's process. */
export interface WorkerListener {
  /** The worker has read its configuration, with the number of workers. */
  onHello(workers: number): void
  /** The worker waits for the journal's server. Emitted every second meanwhile. */
  onWaiting(): void
  /** The worker is ready to listen, and waits for `listen`. */
  onPrepared(): void
  onReady(address: Address): void
  /** The reason why it is about to end. */
  onFailed(message: string): void
  onExit(exit: WorkerExit): void
}
