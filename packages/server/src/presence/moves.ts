/**
 * Who only changes the instance during a shutdown: is named to the others (`arrival`), and is neither told as having come
 * nor as having left. Also where two instances contradict each other: who is here is here, whoever says that it left.
 */
import type { Clock } from '../clock.js'
import type { Connection } from '../connections/connection.js'
import type { Entry, EntryContent } from '../journal/journal.js'
import type { Subscriptions } from '../hub/subscriptions.js'
import type { Instances } from '../instances/instances.js'
import type { PresenceAnnouncer } from './presence-announcer.js'

export interface MovesOptions {
  readonly instances: Pick<Instances, 'isDraining' | 'isAnotherDraining' | 'isAnotherReady'>
  /** The connection of this client on this instance. */
  readonly connectionOf: (clientId: string) => Connection | undefined
  readonly subscriptions: Pick<Subscriptions, 'channelsOf'>
  readonly presence: Pick<PresenceAnnouncer, 'joined' | 'left' | 'stayed'>
  readonly publish: (content: EntryContent) => void
  readonly clock: Pick<Clock, 'after' | 'monotonic'>
}

export interface MovesObserver {
  /** While this instance is draining: another one has accepted this client, whether it is still here or not. */
  onSeenElsewhere(clientId: string): void
}

/** So long nothing is told of who left in a shutdown: the naming by who let it in may be on its way, and that one be busy. */
const HOLD_MS = 1000

/** How many clients one entry names. */
const MAX_ARRIVALS = 50

/** So many names of those who left are remembered. When there are more, everybody's coming is told. */
const MAX_REMEMBERED = 10_000

export class Moves {
  readonly #options: MovesOptions
  readonly #observers = new Set<MovesObserver>()
  /** Let in, and not named yet. */
  #arrived: string[] = []
  /** Left during this instance's shutdown, and may have moved: by when each left, the first one first. */
  readonly #held = new Map<string, { readonly channels: Iterable<string>; readonly atMs: number }>()
  #stopHolding: (() => void) | undefined
  /** Told as having left, while another instance is draining: whoever of them moves here has been missed. */
  readonly #toldAsLeft = new Set<string>()

  constructor(options: MovesOptions) {
    this.#options = options
  }

  /** The answer ends it. */
  observe(observer: MovesObserver): () => void {
    this.#observers.add(observer)
    return () => this.#observers.delete(observer)
  }

  /**
   * Somebody was let in.
   *
   * @param channels Where it was not before, on this instance.
   * @param isMoving It says that it comes from a draining instance, and is who it says.
   */
  came(clientId: string, channels: Iterable<string>, isMoving: boolean): void {
    const { instances, presence } = this.#options
    this.#tellOf(clientId)
    const isAnotherDraining = instances.isAnotherDraining
    if (isAnotherDraining) this.#name(clientId)
    else this.#toldAsLeft.clear()
    const mayBeMissed = this.#toldAsLeft.has(clientId) || this.#toldAsLeft.size === MAX_REMEMBERED
    if (!isMoving || !isAnotherDraining || mayBeMissed) presence.joined(clientId, channels)
  }

  /** Somebody left for good, as far as this instance knows. */
  left(clientId: string, channels: Iterable<string>): void {
    const { instances, presence, clock } = this.#options
    if (!instances.isDraining || !instances.isAnotherReady) {
      presence.left(clientId, channels)
      return
    }
    this.#held.set(clientId, { channels, atMs: clock.monotonic() })
    this.#stopHolding ??= clock.after(HOLD_MS, () => this.#release())
  }

  /** Tells of those who have been held back long enough. */
  #release(): void {
    const { clock } = this.#options
    this.#stopHolding = undefined
    const now = clock.monotonic()
    for (const [clientId, { atMs }] of this.#held) {
      if (atMs + HOLD_MS > now) {
        this.#stopHolding = clock.after(atMs + HOLD_MS - now, () => this.#release())
        return
      }
      this.#tellOf(clientId)
    }
  }

  #tellOf(clientId: string): void {
    const held = this.#held.get(clientId)
    if (!held) return
    this.#held.delete(clientId)
    this.#options.presence.left(clientId, held.channels)
  }

  /** What one turn of the event loop brings is one entry. */
  #name(clientId: string): void {
    this.#arrived.push(clientId)
    if (this.#arrived.length === 1) setImmediate(() => this.#nameAll())
  }

  /** The end: tells of everybody who was held back, and names who has not been named yet. */
  close(): void {
    this.#stopHolding?.()
    for (const clientId of this.#held.keys()) this.#tellOf(clientId)
    this.#nameAll()
  }

  #nameAll(): void {
    const arrived = this.#arrived
    this.#arrived = []
    for (let index = 0; index < arrived.length; index += MAX_ARRIVALS) {
      this.#options.publish({ kind: 'arrival', clients: arrived.slice(index, index + MAX_ARRIVALS) })
    }
  }

  /** Another instance has let these in. */
  readArrival({ clients }: Extract<Entry, { kind: 'arrival' }>): void {
    const { instances, presence } = this.#options
    if (!instances.isDraining) return
    for (const clientId of clients) {
      this.#held.delete(clientId)
      presence.stayed(clientId)
      for (const observer of this.#observers) observer.onSeenElsewhere(clientId)
    }
  }

  /** Some instance, this one included, has told who came and who left. */
  readPresence({ channel, joined, left }: Extract<Entry, { kind: 'presence' }>): void {
    const { instances, connectionOf, subscriptions, presence } = this.#options
    for (const clientId of joined) this.#toldAsLeft.delete(clientId)
    for (const clientId of left) {
      const connection = connectionOf(clientId)
      if (connection && subscriptions.channelsOf(connection)?.has(channel)) {
        // It came here while the other instance still thought that it had left: told the last, it would stay away for all.
        connection.isElsewhere = false
        presence.joined(clientId, [channel])
      } else if (instances.isAnotherDraining && this.#toldAsLeft.size < MAX_REMEMBERED) this.#toldAsLeft.add(clientId)
    }
  }
}
