/**
 * The hub: publishing into the journal, the feed that reads it back, and the delivery to the connections that subscribe.
 * All of them share one window, so acks, resuming, deduplication and slow clients need no machinery of their own.
 */
import type { Connection } from '../connections/connection.js'
import { Delivery, type DeliveryOptions } from './delivery.js'
import { EpochChange, type EpochChangeOptions } from './epoch-change.js'
import { Feed, type FeedOptions } from './feed.js'
import { Publishing, type PublishingOptions } from './publishing.js'
import { Subscriptions } from './subscriptions.js'

export interface HubOptions
  extends
    FeedOptions,
    Omit<DeliveryOptions, 'feed'>,
    Omit<PublishingOptions, 'feed'>,
    Omit<EpochChangeOptions, 'feed' | 'subscriptions'> {
  readonly connectionOf: (clientId: string) => Connection | undefined
}

export interface Hub {
  readonly feed: Feed
  readonly publishing: Publishing
  readonly delivery: Delivery
  readonly subscriptions: Subscriptions
  readonly epochChange: EpochChange
}

/** The parts observe the feed in this order. What observes it before them is called before them. */
export function createHub(options: HubOptions, feed: Feed = new Feed(options)): Hub {
  const publishing = new Publishing({ ...options, feed })
  const delivery = new Delivery({ ...options, feed })
  const subscriptions = new Subscriptions({ ...options, feed, delivery })
  const epochChange = new EpochChange({ ...options, feed, subscriptions })
  return { feed, publishing, delivery, subscriptions, epochChange }
}
