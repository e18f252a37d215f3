/**
 * When presence is told: gathered for PRESENCE_INTERVAL, longer in a crowd, then published. What is gathered, and how, is
 * presence.ts's business.
 */
import type { Clock } from '../clock.js'
import type { EntryContent } from '../journal/journal.js'
import type { Subscriptions } from '../hub/subscriptions.js'
import { Presence } from './presence.js'

export interface PresenceAnnouncerOptions {
  /** Milliseconds over which comings and goings are gathered; 0: they are not told. */
  readonly presenceIntervalMs: number
  /** How large the crowd is, and how many of it are in a channel. */
  readonly subscriptions: Pick<Subscriptions, 'memberCount' | 'countIn'>
  readonly publish: (content: EntryContent) => void
  readonly clock: Pick<Clock, 'after'>
}

/** In a crowd presence is gathered longer, so that a storm of joins is not a storm of frames: 5 s for 10,000. */
const MAX_PRESENCE_PER_MS = 2

export class PresenceAnnouncer {
  readonly #options: PresenceAnnouncerOptions
  readonly #presence = new Presence()
  #timer: (() => void) | undefined

  constructor(options: PresenceAnnouncerOptions) {
    this.#options = options
  }

  /** Somebody came to these channels. */
  joined(clientId: string, channels: Iterable<string>): void {
    if (this.#options.presenceIntervalMs === 0) return
    for (const channel of channels) this.#presence.joined(channel, clientId)
    this.#timer ??= this.#wait(0)
  }

  /** Somebody left these channels. */
  left(clientId: string, channels: Iterable<string>): void {
    if (this.#options.presenceIntervalMs === 0) return
    for (const channel of channels) this.#presence.left(channel, clientId)
    this.#timer ??= this.#wait(0)
  }

  /** Somebody who left has not gone: what of that was not told yet is not told at all. */
  stayed(clientId: string): void {
    this.#presence.stayed(clientId)
  }

  /** Looked at again when it is over: by then there may be more to wait for. */
  #wait(waitedMs: number): () => void {
    const { presenceIntervalMs, subscriptions, clock } = this.#options
    const dueInMs = Math.max(presenceIntervalMs, subscriptions.memberCount / MAX_PRESENCE_PER_MS) - waitedMs
    return clock.after(dueInMs, () => {
      const stillMs = subscriptions.memberCount / MAX_PRESENCE_PER_MS - waitedMs - dueInMs
      if (stillMs >= presenceIntervalMs) this.#timer = this.#wait(waitedMs + dueInMs)
      else this.flush()
    })
  }

  /** Tells what has been gathered, without waiting for more. */
  flush(): void {
    this.#timer?.()
    this.#timer = undefined
    const { publish, subscriptions } = this.#options
    for (const change of this.#presence.take()) {
      publish({ kind: 'presence', ...change, active: subscriptions.countIn(change.channel) })
    }
  }
}
