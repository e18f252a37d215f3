/**
 * The options of the generations of workers, and their reports on a worker.
 */
import type { Clock } from '../clock.js'
import type { Address } from '../http/listen.js'
import type { Logger } from '../observability/log.js'
import type { WorkerIdentity } from './messages.js'
import type { WorkerExit, WorkerListener, WorkerProcess } from './worker-process.js'

export interface GenerationsOptions<Process extends WorkerProcess> {
  start(identity: WorkerIdentity, listener: WorkerListener): Process
  /** A generation is started: the first, or another one that is to take over. `onServing` or a failure follows. */
  onStarting?(generation: number): void
  /** A worker of the generation that starts waits for the journal's server: called every second, for each of them. */
  onWaiting?(): void
  /** All workers of a generation listen, and the primary has told the generation before it, if any, to leave. */
  onServing(address: Address, generation: number): void
  /** The very first generation could not start. */
  onNeverServed(exit: WorkerExit): void
  onReloadFailed?(): void
  /** A worker's process has ended. */
  onExit?(member: Member<Process>, isCrash: boolean): void
  /** The last worker of a generation that was leaving has gone. */
  onGenerationGone?(generation: number): void
  /** No process is left, in a shutdown. */
  onNobodyLeft(): void
  /**
   * How long a worker may take until it listens, in milliseconds (WORKER_START_TIMEOUT): it may have a big journal to
   * read. Time during which it waits for the journal's server does not count. Default: 60,000.
   */
  readonly startTimeoutMs?: number | undefined
  readonly clock: Clock
  readonly log: Logger
}

export interface Member<Process> extends WorkerIdentity {
  readonly process: Process
  readonly isReady: boolean
}
