/**
 * The composition of everything between the journal and the connections: the hub, and beside it the state that all instances
 * share by the journal.
 */
import type { Clock } from './clock.js'
import type { Config } from './config/schema.js'
import type { ConnectionManager } from './connections/connection-manager.js'
import { CLOSES, type Close } from './connections/closes.js'
import type { TransportEncoding } from './connections/encoding.js'
import { createHub, type Hub } from './hub/hub.js'
import type { ClaimedClient } from './instances/claimed-client.js'
import { ClusterState, type ClusterObserver } from './instances/cluster-state.js'
import { InstanceAnnouncer, type Roster } from './instances/instance-announcer.js'
import type { InstanceInfo } from './instances/instances.js'
import type { Journal, Release, Retention } from './journal/journal.js'
import type { Logger } from './observability/log.js'
import type { Stats } from './observability/stats.js'
import type { Randomness } from './randomness.js'

export interface DeliveryParts {
  /** The id of this instance. */
  readonly node: string
  readonly journal: Journal
  readonly retention: Retention
  readonly connections: Pick<ConnectionManager, 'all' | 'closePolitely' | 'get' | 'getActiveCount'>
  /** The encoding of most connections. */
  readonly encoding: TransportEncoding
  readonly clock: Clock
  readonly randomness: Pick<Randomness, 'fraction'>
  readonly stats: Stats
  readonly log: Logger
}

export interface ComposedDelivery {
  readonly hub: Hub
  /** The state of all instances, as the journal records it. */
  readonly cluster: ClusterState
  /** Announces this instance to the others. */
  readonly announcer: InstanceAnnouncer
  /**
   * The instances that share the journal, sorted by id. This instance is always among them, with its present figures.
   */
  readonly instances: readonly InstanceInfo[]
  /** Reads the journal into the window. While the journal's server cannot be reached, the promise stays pending. */
  read(): Promise<void>
  /** Begins to announce this instance to the others. */
  announce(): void
  /** Evicts old entries, and closes the clients that still needed them. The caller calls it about every second. */
  sweep(): void
  /** Publishes the gathered messages, waits for pending appends, and ends the reading of the journal. */
  close(): Promise<void>
}

type DeliveryConfig = Pick<Config, 'build' | 'instanceTimeoutSeconds' | 'presenceIntervalMs' | 'presenceListLimit'>

export function composeDelivery(config: DeliveryConfig, { connections, ...parts }: DeliveryParts): ComposedDelivery {
  const { node, journal, clock, stats, log } = parts
  const cluster = new ClusterState({
    node,
    timeoutMs: config.instanceTimeoutSeconds * 1000,
    hasPresence: config.presenceIntervalMs > 0,
    presenceListLimit: config.presenceListLimit,
    clientsHere: () => clientsOf(connections),
    clock,
    stats,
    log,
  })
  const hub = createHub({
    ...parts,
    sharedState: cluster,
    connections,
    connectionOf: (clientId) => connections.get(clientId),
    random: parts.randomness.fraction,
  })
  const announcer = new InstanceAnnouncer({
    node,
    build: config.build,
    startedAtMs: clock.now(),
    timeoutMs: config.instanceTimeoutSeconds * 1000,
    presenceIntervalMs: config.presenceIntervalMs,
    isShared: journal.isShared,
    state: cluster,
    connectionCount: () => connections.getActiveCount(),
    lagMs: () => hub.publishing.lagMs,
    roster: () => rosterOf(connections, hub),
    publish: (content, onSettled) =>
      hub.publishing.publishOwn(content, (settlement) => onSettled('error' in settlement)),
    clock,
  })
  cluster.observe(claimObserver(connections, cluster))
  const { feed, publishing, delivery } = hub

  return {
    hub,
    cluster,
    announcer,
    get instances() {
      const others = cluster.instances.all.filter((instance) => instance.node !== node)
      return [...others, announcer.own].sort((a, b) => (a.node < b.node ? -1 : 1))
    },
    read: () => feed.open(),
    announce() {
      announcer.begin()
      const { size: entries, bytes, head: offset } = feed.window
      log.info('journal.opened', { entries, bytes, offset }, 'the journal is open')
    },
    sweep() {
      feed.trim()
      delivery.catchUps.sweep()
    },
    async close() {
      hub.epochChange.stop()
      await announcer.end()
      await publishing.close()
      await feed.close()
    },
  }
}

/** The clients whose connection the server is not closing. */
function clientsOf(connections: Pick<ConnectionManager, 'all'>): Map<string, ClaimedClient> {
  const clients = new Map<string, ClaimedClient>()
  for (const { clientId, identity, serverClose, transport } of connections.all()) {
    if (!serverClose && transport.isOpen) clients.set(clientId, identity)
  }
  return clients
}

/** Closes the connections whose clientId another instance holds. */
function claimObserver(
  connections: Pick<ConnectionManager, 'get' | 'closePolitely'>,
  { instances }: ClusterState,
): ClusterObserver {
  const end = ({ clientId, connectionId }: Release, close: Close): void => {
    const connection = connections.get(clientId)
    if (connection?.identity.connectionId === connectionId) connections.closePolitely(connection, close)
  }
  return {
    onClaimedElsewhere(claim, by) {
      // A client that migrates closes its old connection by itself, once it has caught up on the other instance.
      if (!(by.isMoving && instances.isDraining)) end(claim, CLOSES.takenOver)
    },
    onClaimOutdated: (claim) => end(claim, CLOSES.claimOutdated),
    onClaimVoid: (claim) => end(claim, CLOSES.claimVoid),
  }
}

/**
 * All clients of this instance, for the other instances. Clients in the same audience share a group. Connections of an
 * old epoch have no channels and are left out: their claims have offsets of the old epoch, which could be higher than
 * that of the reconnected client. Closing connections are left out, too.
 */
function rosterOf(connections: Pick<ConnectionManager, 'all'>, { subscriptions }: Hub): Roster {
  const clients: ClaimedClient[] = []
  const groups = new Map<ReadonlySet<string>, string[]>()
  for (const connection of connections.all()) {
    const channels = subscriptions.channelsOf(connection)
    if (!channels || !connection.transport.isOpen) continue
    clients.push(connection.identity)
    const group = groups.get(channels)
    if (group) group.push(connection.clientId)
    else groups.set(channels, [connection.clientId])
  }
  return { clients, members: [...groups].map(([channels, members]) => ({ channels: [...channels], clients: members })) }
}
