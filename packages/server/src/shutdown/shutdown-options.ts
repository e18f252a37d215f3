/**
 * The options of the graceful shutdown of one server, and of a single shutdown.
 */
import type { Clock } from '../clock.js'
import type { ConnectionManager } from '../connections/connection-manager.js'
import type { EncodeFrame } from '../frames.js'
import type { Logger } from '../observability/log.js'
import type { ShutdownMode } from './drain-report.js'

export interface GracefulShutdownOptions {
  /** The connections that the shutdown warns and closes. */
  readonly connectionManager: ConnectionManager
  /** How long the shutdown waits until it closes the remaining connections, in seconds. Default: 1800. */
  readonly timeoutSeconds?: number
  /** How long the server still accepts new clients, in seconds; part of the timeout. Default: 0. */
  readonly delaySeconds?: number
  /** `wait` (default): no client is closed before the deadline. `migrate`: each is closed when its slot ends. */
  readonly mode?: ShutdownMode
  /** Over how long slots are spread, in seconds; 0: there are none. Default: the smaller of 30 and half the timeout. */
  readonly spreadSeconds?: number | undefined
  /** The code of forced closes. Default: 1001. */
  readonly closeCode?: number
  /** Called when the server begins to reject new clients: after SHUTDOWN_DELAY. */
  readonly onClosedToNewcomers?: () => void
  /**
   * Whether another instance is ready. If so, the application calls `seenElsewhere` for each client that the other instance
   * accepts, and the report waits for these calls, 100 ms at most. If not, the server tells clients when to return, and in
   * mode `migrate` it assigns no slots until another instance is ready. Default: not known. Then clients get slots, and no
   * hint.
   */
  readonly isAnotherReady?: () => boolean
  /** How long a restart takes until the server listens again, in milliseconds. Default: 500. */
  readonly restartTimeMs?: number
  /** Called once, when all connections have ended: it flushes and closes everything else. */
  readonly onEverybodyGone?: () => Promise<void> | void
  /** Called at a third signal. Default: the process exits with 1. */
  readonly onThirdSignal?: () => void
  /** Encodes a text for a transport. Default: its UTF-8 bytes. */
  readonly encodeFrame?: EncodeFrame
  readonly clock?: Clock
  readonly log?: Logger
  /**
   * A random number from 0 to 1: for the slot of a client that connects later, and for the time at which a client returns.
   * Default: the system's.
   */
  readonly random?: () => number
}

/** The options of one shutdown that replace the configured ones. */
export interface ShutdownRequest {
  readonly timeoutSeconds?: number | undefined
  readonly mode?: ShutdownMode | undefined
  readonly delaySeconds?: number | undefined
}
