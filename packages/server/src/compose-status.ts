/**
 * The composition of what a server reports about itself: `/health`, `/ready`, `/metrics` and the state of its shutdown.
 */
import type { Clock } from './clock.js'
import type { ComposedDelivery } from './compose-delivery.js'
import type { Config } from './config/schema.js'
import { VERSION } from './config/version.js'
import type { ConnectionManager } from './connections/connection-manager.js'
import type { ServerStatus } from './http/app.js'
import type { Health } from './http/health.js'
import { PROMETHEUS_CONTENT_TYPE, type MetricsSource } from './http/metrics.js'
import { lazily } from './lazily.js'
import type { MetricReading } from './observability/metrics.js'
import type { Readings, Stats } from './observability/stats.js'
import type { GracefulShutdownManager } from './shutdown/graceful-shutdown-manager.js'

export interface StatusParts {
  /** The id of this instance. */
  readonly node: string
  readonly connections: ConnectionManager
  readonly delivery: ComposedDelivery
  readonly shutdown: GracefulShutdownManager
  /** When the server started, in milliseconds of the monotonic clock. */
  readonly startedAtMs: number
  readonly clock: Clock
  readonly stats: Stats
}

export interface ComposedStatus {
  ownHealth(): Health
  readonly metrics: MetricsSource
  /** The values of `/metrics`. */
  metricReadings(): Promise<readonly MetricReading[]>
  /** The status of this process alone, without the other workers. */
  readonly ownStatus: ServerStatus
}

export function composeStatus({ build }: Pick<Config, 'build'>, parts: StatusParts): ComposedStatus {
  const { node, shutdown, stats } = parts
  const registry = lazily(async () => {
    const { createMetrics } = await import('./observability/metrics.js')
    return createMetrics(stats, () => readingsOf(parts), { version: VERSION, build, node })
  })
  const metrics = { contentType: PROMETHEUS_CONTENT_TYPE, metrics: async () => (await registry()).metrics() }
  const health = (): Health => healthOf(build, parts)
  return {
    ownHealth: health,
    metrics,
    metricReadings: async () => (await registry()).getMetricsAsJSON(),
    ownStatus: {
      health,
      isReady: () => shutdown.isReady,
      metrics,
      shutdown: {
        status: () => ({ state: shutdown.state, remainingMs: shutdown.remainingMs, report: shutdown.report }),
        begin: (why, request) => shutdown.begin(why, request),
        cancel: (why) => shutdown.cancel(why),
      },
    },
  }
}

function healthOf(build: string, { node, connections, delivery, shutdown, startedAtMs, clock }: StatusParts): Health {
  return {
    status: shutdown.isShuttingDown ? 'draining' : 'healthy',
    activeConnections: connections.getActiveCount(),
    shutdownInProgress: shutdown.isShuttingDown,
    uptimeSeconds: Math.round(clock.monotonic() - startedAtMs) / 1000,
    version: VERSION,
    build,
    node,
    journal: delivery.hub.feed.isAvailable ? 'up' : 'down',
  }
}

function readingsOf({ connections, delivery: { hub, cluster }, shutdown }: StatusParts): Readings {
  const activeConnections = connections.getActiveCount()
  const { instances } = cluster
  return {
    activeConnections,
    behindConnections: hub.delivery.catchUps.size,
    windowEntries: hub.feed.window.size,
    windowBytes: hub.feed.window.bytes,
    journalAvailable: hub.feed.isAvailable,
    journalLagMs: hub.publishing.lagMs,
    instancesStarting: instances.count('starting'),
    instancesReady: instances.count('ready'),
    instancesDraining: instances.count('draining'),
    clusterClients: activeConnections + cluster.clientsElsewhere,
    shutdownState: shutdown.state,
    shutdownRemainingMs: shutdown.remainingMs,
  }
}
