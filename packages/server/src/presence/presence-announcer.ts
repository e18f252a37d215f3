/**
 * Appends the joins and leaves of this instance to the journal. It gathers them over PRESENCE_INTERVAL, or longer when
 * many clients are connected (ADR 5), and appends one entry for all channels. While this instance drains, it holds a
 * leave back until the join at another instance is likely to stand before it in the journal. A client that only
 * migrates is then announced neither as left nor as joined (ADR 15).
 */
import type { Clock } from '../clock.js'
import type { MemberGroup, MembersChange } from '../journal/journal.js'
import { NetChanges } from './net-changes.js'

export interface PresenceAnnouncerOptions {
  /**
   * The time over which joins and leaves are gathered, in milliseconds (PRESENCE_INTERVAL). 0: this instance announces
   * none.
   */
  readonly presenceIntervalMs: number
  /** The number of connected clients. The more clients, the longer the gathering. */
  readonly memberCount: () => number
  /** Whether a client that leaves now may be migrating to another instance. */
  readonly mayBeMoving: () => boolean
  /** Whether another instance has claimed the client. */
  readonly isClaimedElsewhere: (clientId: string) => boolean
  /** Whether another instance has announced the client in this channel. */
  readonly isElsewhere: (clientId: string, channel: string) => boolean
  readonly publish: (changes: readonly MembersChange[]) => void
  readonly clock: Pick<Clock, 'after' | 'monotonic'>
}

/** The joins of 10,000 clients that connect at once are gathered over 5 s. */
const CLIENTS_PER_MS = 2

/**
 * The number of changes, each of one client in one channel, in one entry. Each instance applies an entry in one turn of
 * its event loop, at about 2.5 µs per change, and sends a frame for it to each connection.
 */
const MAX_CHANGES_PER_ENTRY = 2500

/** The pause before the rest of the changes, if they are too many for one entry, in milliseconds. */
const NEXT_ENTRY_MS = 20

/**
 * How long a leave is held back without a claim of another instance. The claim of the instance that admits a migrating
 * client may be under way this long.
 */
const HOLD_MS = 1000

/** The longest time for which a leave is held back, even if another instance has claimed the client. */
const MAX_HOLD_MS = 10_000

/** The interval at which the held leaves are checked. */
const RELEASE_INTERVAL_MS = 250

/** The longest time for which leaves are held back when this instance ends. */
const MAX_END_MS = 1500

interface HeldLeave {
  readonly channels: readonly string[]
  readonly sinceMs: number
}

export class PresenceAnnouncer {
  readonly #options: PresenceAnnouncerOptions
  readonly #netChanges = new NetChanges()
  readonly #held = new Map<string, HeldLeave>()
  #cancelFlush: (() => void) | undefined
  #flushAtMs = Infinity
  #cancelRelease: (() => void) | undefined
  #onReleased: (() => void) | undefined

  constructor(options: PresenceAnnouncerOptions) {
    this.#options = options
  }

  /**
   * The client has joined these channels.
   *
   * @param isMoving The client comes from a draining instance. That instance waits for this announcement before it
   *   announces the leave.
   */
  joined(clientId: string, channels: Iterable<string>, isMoving = false): void {
    if (this.#options.presenceIntervalMs === 0) return
    const held = this.#held.get(clientId)
    this.#held.delete(clientId)
    for (const channel of held?.channels ?? []) this.#netChanges.left(channel, clientId)
    for (const channel of channels) this.#netChanges.joined(channel, clientId)
    this.#schedule(isMoving)
  }

  left(clientId: string, channels: Iterable<string>): void {
    const { presenceIntervalMs, mayBeMoving, clock } = this.#options
    if (presenceIntervalMs === 0) return
    if (mayBeMoving()) {
      this.#held.set(clientId, { channels: [...channels], sinceMs: clock.monotonic() })
      this.#cancelRelease ??= clock.after(RELEASE_INTERVAL_MS, () => this.#release())
      return
    }
    for (const channel of channels) this.#netChanges.left(channel, clientId)
    this.#schedule(false)
  }

  /** The clients that have left and whose leave is held back. A roster has to contain them. */
  get heldGroups(): MemberGroup[] {
    return [...this.#held].map(([clientId, { channels }]) => ({ channels, clients: [clientId] }))
  }

  /**
   * Forgets the noted changes, because a roster that is appended now contains their result. Otherwise a client of that
   * roster that leaves within the interval would only cancel its own join, and stay in the roster for ever.
   */
  discard(): void {
    this.#cancelFlush?.()
    this.#cancelFlush = undefined
    this.#flushAtMs = Infinity
    this.#netChanges.clear()
  }

  /** Announces all noted changes and held leaves at once. */
  flush(): void {
    this.#cancelRelease?.()
    this.#cancelRelease = undefined
    for (const clientId of this.#held.keys()) this.#letGo(clientId)
    while (!this.#netChanges.isEmpty) this.#publish()
  }

  #schedule(isUrgent: boolean): void {
    const { presenceIntervalMs, memberCount, clock } = this.#options
    const now = clock.monotonic()
    const gatherMs = isUrgent ? presenceIntervalMs : Math.max(presenceIntervalMs, memberCount() / CLIENTS_PER_MS)
    // A storm of joins goes on after this time was set. The gathering is then extended when it would end.
    if (this.#flushAtMs <= now + gatherMs) return
    this.#cancelFlush?.()
    this.#flushAtMs = now + gatherMs
    const startedAtMs = now
    this.#cancelFlush = clock.after(gatherMs, () => this.#flushOrExtend(startedAtMs, isUrgent))
  }

  #flushOrExtend(startedAtMs: number, isUrgent: boolean): void {
    const { presenceIntervalMs, memberCount, clock } = this.#options
    const stillMs = isUrgent ? 0 : startedAtMs + memberCount() / CLIENTS_PER_MS - clock.monotonic()
    if (stillMs < presenceIntervalMs) {
      this.#publish()
      return
    }
    this.#flushAtMs = clock.monotonic() + stillMs
    this.#cancelFlush = clock.after(stillMs, () => this.#flushOrExtend(startedAtMs, false))
  }

  #publish(): void {
    const { publish, clock } = this.#options
    const changes = this.#netChanges.take(MAX_CHANGES_PER_ENTRY)
    this.#cancelFlush?.()
    this.#cancelFlush = undefined
    this.#flushAtMs = Infinity
    if (!this.#netChanges.isEmpty) {
      this.#flushAtMs = clock.monotonic() + NEXT_ENTRY_MS
      this.#cancelFlush = clock.after(NEXT_ENTRY_MS, () => this.#publish())
    }
    if (changes.length > 0) publish(changes)
  }

  /** Resolves when no leave is held back any more, or after `MAX_END_MS`. */
  async whenMoved(): Promise<void> {
    this.#release()
    if (this.#held.size === 0) return
    await new Promise<void>((resolve) => {
      this.#onReleased = resolve
      this.#options.clock.after(MAX_END_MS, resolve)
    })
  }

  /** Announces the leaves for which no join at another instance is expected any more. */
  #release(): void {
    const { clock } = this.#options
    this.#cancelRelease?.()
    this.#cancelRelease = undefined
    const now = clock.monotonic()
    const before = this.#held.size
    for (const [clientId, leave] of this.#held) {
      if (!this.#isJoinExpected(clientId, leave, now)) this.#letGo(clientId)
    }
    if (this.#held.size < before) this.#schedule(false)
    if (this.#held.size > 0) this.#cancelRelease = clock.after(RELEASE_INTERVAL_MS, () => this.#release())
    else this.#onReleased?.()
  }

  #isJoinExpected(clientId: string, { channels, sinceMs }: HeldLeave, now: number): boolean {
    const { isClaimedElsewhere, isElsewhere } = this.#options
    if (channels.every((channel) => isElsewhere(clientId, channel))) return false
    const heldMs = now - sinceMs
    return heldMs < HOLD_MS || (heldMs < MAX_HOLD_MS && isClaimedElsewhere(clientId))
  }

  #letGo(clientId: string): void {
    const { channels } = this.#held.get(clientId) ?? { channels: [] }
    this.#held.delete(clientId)
    for (const channel of channels) this.#netChanges.left(channel, clientId)
  }
}
