/**
 * The options of the generations of workers, and their observer.
 */
import type { Clock } from '../clock.js'
import type { Address } from '../http/listen.js'
import type { Logger } from '../observability/log.js'
import type { WorkerIdentity } from './messages.js'
import type { WorkerExit, WorkerListener, WorkerProcess } from './worker-process.js'

export interface GenerationsOptions<Process extends WorkerProcess> {
  start(identity: WorkerIdentity, listener: WorkerListener): Process
  /** A generation starts: the first, or one that is to replace another. `onServing` or a failure follows. */
  onStarting?(generation: number): void
  /** A worker of the generation that starts waits for the journal's server. Called every second for each such worker. */
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
  /** In a shutdown: the last process has ended. */
  onNobodyLeft(): void
  /**
   * How long a worker may take until it listens, in milliseconds (WORKER_START_TIMEOUT): a large journal takes long to read.
   * The time during which it waits for the journal's server does not count. Default: 60,000.
   */
  readonly startTimeoutMs?: number | undefined
  readonly clock: Clock
  readonly log: Logger
}

export interface Member<Process> extends WorkerIdentity {
  readonly process: Process
  readonly isReady: boolean
}
