/**
 * Appends the joins and leaves of this instance to the journal: gathered over PRESENCE_INTERVAL, longer in a crowd (ADR 5),
 * in one entry for all channels. While this instance drains, it holds a leave back until a successor's join is likely to
 * stand before it, so that a client that only moves is announced neither as left nor as joined (ADR 15).
 */
import type { Clock } from '../clock.js'
import type { MemberGroup, MembersChange } from '../journal/journal.js'
import { Gathering } from './gathering.js'

export interface PresenceAnnouncerOptions {
  /** Milliseconds over which joins and leaves are gathered (PRESENCE_INTERVAL); 0: this instance announces none. */
  readonly presenceIntervalMs: number
  /** How many clients are connected: the more, the longer the gathering. */
  readonly memberCount: () => number
  /** Whether a client that leaves now may be moving to another instance. */
  readonly mayBeMoving: () => boolean
  /** Whether another instance has claimed the client. */
  readonly isClaimedElsewhere: (clientId: string) => boolean
  /** Whether another instance has announced the client in this channel. */
  readonly isElsewhere: (clientId: string, channel: string) => boolean
  readonly publish: (changes: readonly MembersChange[]) => void
  readonly clock: Pick<Clock, 'after' | 'monotonic'>
}

/** 10,000 clients that come at once are gathered over 5 s. */
const CLIENTS_PER_MS = 2

/**
 * The most changes of one client in one channel that one entry has. Each reader applies an entry in one turn of its event loop, at
 * some 2.5 µs for each of them, and sends a frame of it to each connection.
 */
const MAX_CHANGES_PER_ENTRY = 2500

/** The pause before the rest of a gathering that is too large for one entry. */
const NEXT_ENTRY_MS = 20

/** The claim of the instance that admits a moving client may be on its way this long. */
const HOLD_MS = 1000

/** A leave is never held back longer, whatever another instance has claimed. */
const MAX_HOLD_MS = 10_000

/** How often the held leaves are looked through. */
const RELEASE_INTERVAL_MS = 250

/** At the end of an instance its leaves are held back for this long at most. */
const MAX_END_MS = 1500

interface HeldLeave {
  readonly channels: readonly string[]
  readonly sinceMs: number
}

export class PresenceAnnouncer {
  readonly #options: PresenceAnnouncerOptions
  readonly #gathering = new Gathering()
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
   * @param isMoving It comes from a draining instance, which waits for this announcement before it announces the leave.
   */
  joined(clientId: string, channels: Iterable<string>, isMoving = false): void {
    if (this.#options.presenceIntervalMs === 0) return
    const held = this.#held.get(clientId)
    this.#held.delete(clientId)
    for (const channel of held?.channels ?? []) this.#gathering.left(channel, clientId)
    for (const channel of channels) this.#gathering.joined(channel, clientId)
    this.#schedule(isMoving)
  }

  /** The client has left these channels. */
  left(clientId: string, channels: Iterable<string>): void {
    const { presenceIntervalMs, mayBeMoving, clock } = this.#options
    if (presenceIntervalMs === 0) return
    if (mayBeMoving()) {
      this.#held.set(clientId, { channels: [...channels], sinceMs: clock.monotonic() })
      this.#cancelRelease ??= clock.after(RELEASE_INTERVAL_MS, () => this.#release())
      return
    }
    for (const channel of channels) this.#gathering.left(channel, clientId)
    this.#schedule(false)
  }

  /** Clients that have left and whose leave is still held back: a roster has to contain them. */
  get heldGroups(): MemberGroup[] {
    return [...this.#held].map(([clientId, { channels }]) => ({ channels, clients: [clientId] }))
  }

  /**
   * Forgets what was gathered: a roster that is appended now contains it. Were it kept, a client that leaves before the end
   * of the gathering would cancel its join there, and stay in the roster.
   */
  discard(): void {
    this.#cancelFlush?.()
    this.#cancelFlush = undefined
    this.#flushAtMs = Infinity
    this.#gathering.clear()
  }

  /** Announces everything that was gathered or held back, without waiting for more. */
  flush(): void {
    this.#cancelRelease?.()
    this.#cancelRelease = undefined
    for (const clientId of this.#held.keys()) this.#letGo(clientId)
    while (!this.#gathering.isEmpty) this.#publish()
  }

  #schedule(isUrgent: boolean): void {
    const { presenceIntervalMs, memberCount, clock } = this.#options
    const now = clock.monotonic()
    const gatherMs = isUrgent ? presenceIntervalMs : Math.max(presenceIntervalMs, memberCount() / CLIENTS_PER_MS)
    // A storm goes on while its first joins are gathered: then the gathering is extended once it would end.
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
    const changes = this.#gathering.take(MAX_CHANGES_PER_ENTRY)
    this.#cancelFlush?.()
    this.#cancelFlush = undefined
    this.#flushAtMs = Infinity
    if (!this.#gathering.isEmpty) {
      this.#flushAtMs = clock.monotonic() + NEXT_ENTRY_MS
      this.#cancelFlush = clock.after(NEXT_ENTRY_MS, () => this.#publish())
    }
    if (changes.length > 0) publish(changes)
  }

  /** Resolves when no leave is held back any more, after 1.5 s at most. */
  async whenMoved(): Promise<void> {
    this.#release()
    if (this.#held.size === 0) return
    await new Promise<void>((resolve) => {
      this.#onReleased = resolve
      this.#options.clock.after(MAX_END_MS, resolve)
    })
  }

  /** Announces the leaves for which no join is expected any more. */
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
    for (const channel of channels) this.#gathering.left(channel, clientId)
  }
}
