/**
 * The composition of everything between the journal and the connections: the hub, and presence and the instances beside
 * it, which read the same feed.
 */
import type { Clock } from './clock.js'
import type { Config } from './config/schema.js'
import type { ConnectionManager } from './connections/connection-manager.js'
import type { TransportEncoding } from './connections/encoding.js'
import { createHub, type Hub } from './hub/hub.js'
import { Instances } from './instances/instances.js'
import { handleEntry, type EntryHandlers } from './journal/entry-kinds.js'
import type { EntryContent, InstanceState, Journal, Retention } from './journal/journal.js'
import type { Logger } from './observability/log.js'
import type { Stats } from './observability/stats.js'
import { Moves } from './presence/moves.js'
import { PresenceAnnouncer } from './presence/presence-announcer.js'

export interface DeliveryParts {
  /** This instance's id. */
  readonly node: string
  readonly journal: Journal
  readonly retention: Retention
  readonly connections: Pick<ConnectionManager, 'get'>
  /** What most connections use. */
  readonly encoding: TransportEncoding
  readonly clock: Clock
  readonly stats: Stats
  readonly log: Logger
}

export interface ComposedDelivery {
  readonly hub: Hub
  readonly instances: Instances
  readonly presence: PresenceAnnouncer
  readonly moves: Moves
  /** Announces to the other instances what this one is. */
  announceInstance(state: InstanceState): void
  /** Evicts what is too old, and closes the clients that still needed it: to be called every second or so. */
  sweep(): void
  /** Publishes what was gathered, waits for what is on its way, and ends the reading. */
  close(): Promise<void>
}

export function composeDelivery(
  { build, presenceIntervalMs }: Pick<Config, 'build' | 'presenceIntervalMs'>,
  { connections, ...parts }: DeliveryParts,
): ComposedDelivery {
  const { node, clock, stats } = parts
  const connectionOf = (clientId: string) => connections.get(clientId)
  const hub = createHub({ ...parts, connectionOf })
  const { feed, publishing, delivery, subscriptions } = hub
  const publish = (content: EntryContent): void => publishing.publishOwn(content)

  const instances = new Instances({ node, clock })
  const presence = new PresenceAnnouncer({ presenceIntervalMs, subscriptions, publish, clock })
  const moves = new Moves({ instances, connectionOf, subscriptions, presence, publish, clock })
  const handlers: EntryHandlers = {
    message: undefined,
    direct: undefined,
    presence: (entry) => moves.readPresence(entry),
    instance: (entry) => instances.heard(entry),
    arrival: (entry) => {
      if (entry.node !== node) moves.readArrival(entry)
    },
    unknown: () => stats.unknownEntries++,
    placeholder: undefined,
  }
  feed.observe({ onReset: () => instances.forget(), onEntry: (entry) => handleEntry(entry, handlers) })

  return {
    hub,
    instances,
    presence,
    moves,
    announceInstance: (state) => publish({ kind: 'instance', build, state }),
    sweep() {
      feed.trim()
      delivery.catchUps.sweep()
    },
    async close() {
      moves.close()
      presence.flush()
      await publishing.close()
      await feed.close()
    },
  }
}
