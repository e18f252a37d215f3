/**
 * The hub: clients publish to the journal, the feed reads it back, and delivery writes to the connections that have
 * subscribed. All parts share one window, so acks, resuming, deduplication and slow clients need no code of their own.
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

/**
 * Creates the parts of the hub. They observe the feed in this order, after the observers that the caller has added to
 * it.
 */
export function createHub(options: HubOptions, feed: Feed = new Feed(options)): Hub {
  const publishing = new Publishing({ ...options, feed })
  const delivery = new Delivery({ ...options, feed })
  const subscriptions = new Subscriptions({ ...options, feed, delivery })
  const epochChange = new EpochChange({ ...options, feed, subscriptions })
  return { feed, publishing, delivery, subscriptions, epochChange }
}
