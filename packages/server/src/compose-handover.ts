/**
 * The composition of the handover of live connections to another process, and from one.
 */
import type { Clock } from './clock.js'
import type { ComposedDelivery } from './compose-delivery.js'
import type { ComposedHttp } from './compose-http.js'
import type { ComposedSessions } from './compose-sessions.js'
import type { Config } from './config/schema.js'
import type { ConnectionManager } from './connections/connection-manager.js'
import type { SocketHandle } from './connections/transferable.js'
import { Adoption } from './handover/adoption.js'
import { Handover, type HandoverCounts, type SendConnection } from './handover/handover.js'
import type { HandoverVerdict } from './handover/phase.js'
import type { Logger } from './observability/log.js'
import type { Stats } from './observability/stats.js'
import type { GracefulShutdownManager } from './shutdown/graceful-shutdown-manager.js'

export interface HandoverParts {
  /** The id of this instance. */
  readonly node: string
  readonly connections: ConnectionManager
  readonly delivery: ComposedDelivery
  readonly sessions: ComposedSessions
  readonly http: Pick<ComposedHttp, 'openTransport'>
  readonly shutdown: Pick<GracefulShutdownManager, 'isShuttingDown' | 'isReady'>
  readonly clock: Clock
  readonly stats: Stats
  readonly log: Logger
}

export interface ComposedHandover {
  /** Continues a connection of another process. */
  adopt(record: unknown, handle: SocketHandle): Promise<HandoverVerdict>
  /** Gives one in twenty connections to another process. Ends early when a shutdown begins. */
  handCanariesOver(send: SendConnection): Promise<HandoverCounts>
  /** Gives all connections to another process that can be handed over. Ends early when a shutdown begins. */
  handAllOver(send: SendConnection): Promise<HandoverCounts>
}

/** `undefined`: HANDOVER is off, or the connections of this server cannot be handed over. */
export function composeHandover(config: Pick<Config, 'handover'>, parts: HandoverParts): ComposedHandover | undefined {
  const { delivery, sessions, http, shutdown } = parts
  const { openTransport } = http
  if (!config.handover || !openTransport) return undefined
  const { hub, cluster, announcer } = delivery
  const { sessionSetup, maxConnections, asksForToken } = sessions
  const isClosed = (): boolean => !shutdown.isReady
  const adoption = new Adoption({
    ...parts,
    ...{ hub, cluster, openTransport, sessionSetup, maxConnections, asksForToken, isClosed },
  })
  const handover = new Handover({ ...parts, hub, announcer, adoption })
  const isOver = (): boolean => shutdown.isShuttingDown
  return {
    adopt: (record, handle) => adoption.adopt(record, handle),
    handCanariesOver: (send) => handover.canaries({ send, isOver }),
    handAllOver: (send) => handover.all({ send, isOver }),
  }
}
