/** The readings of a server without connections, for tests of metrics. */
import type { Readings } from '../../src/observability/stats.js'

export const QUIET_READINGS: Readings = {
  activeConnections: 0,
  behindConnections: 0,
  windowEntries: 0,
  windowBytes: 0,
  journalAvailable: true,
  journalLagMs: 0,
  instancesStarting: 0,
  instancesReady: 0,
  instancesDraining: 0,
  clusterClients: 0,
  shutdownState: 'serving',
  shutdownRemainingMs: 0,
}
