/**
 * The composition of the shutdown with the parts that it ends and that report to it.
 */
import type { ClosingSteps } from './closing-steps.js'
import type { Clock } from './clock.js'
import type { Config } from './config/schema.js'
import type { ConnectionManager } from './connections/connection-manager.js'
import type { EncodeFrame } from './frames.js'
import type { ClusterState } from './instances/cluster-state.js'
import type { Logger } from './observability/log.js'
import type { Randomness } from './randomness.js'
import type { PendingHandshakes } from './sessions/pending-handshakes.js'
import { GracefulShutdownManager } from './shutdown/graceful-shutdown-manager.js'

export interface ShutdownParts {
  readonly connections: ConnectionManager
  /** The shutdown ends them as soon as the server rejects new clients. */
  readonly pendingHandshakes: PendingHandshakes
  /** Reports the clients that other instances accept during a drain. */
  readonly cluster: ClusterState
  /** The shutdown runs them when the last connection has ended. */
  readonly closingSteps: ClosingSteps
  readonly encodeFrame: EncodeFrame
  readonly clock: Clock
  readonly randomness: Pick<Randomness, 'fraction'>
  readonly log: Logger
}

export function composeShutdown(
  config: Config,
  { connections, pendingHandshakes, cluster, closingSteps, encodeFrame, clock, randomness, log }: ShutdownParts,
): GracefulShutdownManager {
  const { instances } = cluster
  const shutdown = new GracefulShutdownManager({
    connectionManager: connections,
    timeoutSeconds: config.shutdownTimeoutSeconds,
    delaySeconds: config.shutdownDelaySeconds,
    mode: config.shutdownMode,
    spreadSeconds: config.shutdownSpreadSeconds,
    closeCode: config.shutdownCloseCode,
    encodeFrame,
    onClosedToNewcomers: () => pendingHandshakes.endAll(),
    isAnotherReady: () => instances.isAnotherReady,
    restartTimeMs: config.restartTimeMs,
    onEverybodyGone: () => closingSteps.run(),
    clock,
    log,
    random: randomness.fraction,
  })
  shutdown.observe((state) => {
    if (state === 'closing' || state === 'closed') pendingHandshakes.endAll()
  })
  cluster.observe({
    onAdmittedElsewhere: (clientId) => {
      if (instances.isDraining) shutdown.seenElsewhere(clientId)
    },
  })
  return shutdown
}
