/**
 * Appends to the journal what the other instances need to know of this one: that it is live, its claims, its members,
 * and its complete roster when they lack it (docs/adr/0015, 0016).
 */
import type { Clock } from '../clock.js'
import type { EntryContent, InstanceState, MemberGroup, Release } from '../journal/journal.js'
import { PresenceAnnouncer } from '../presence/presence-announcer.js'
import { ClaimAnnouncer } from './claim-announcer.js'
import { claimFor, type ClaimedClient } from './claimed-client.js'
import type { ClusterState } from './cluster-state.js'
import type { InstanceInfo } from './instances.js'
import { chunksOf } from './roster.js'

/** The complete state of this instance. */
export interface Roster {
  readonly clients: readonly ClaimedClient[]
  readonly members: readonly MemberGroup[]
}

export interface InstanceAnnouncerOptions {
  /** The id of this instance. */
  readonly node: string
  readonly build: string
  /** When this instance started: milliseconds since 1970. */
  readonly startedAtMs: number
  /**
   * The time after which the others take a silent instance for lost, in milliseconds (INSTANCE_TIMEOUT). This instance
   * announces itself three times in it.
   */
  readonly timeoutMs: number
  /** The time over which joins and leaves are gathered, in milliseconds (PRESENCE_INTERVAL). 0: no presence. */
  readonly presenceIntervalMs: number
  /** Whether other instances may read the journal. */
  readonly isShared: boolean
  readonly state: ClusterState
  readonly connectionCount: () => number
  readonly lagMs: () => number
  readonly roster: () => Roster
  /** Appends an entry of this instance. The hub calls `onSettled` when the entry has been read back or is lost. */
  readonly publish: (content: EntryContent, onSettled: (isLost: boolean) => void) => void
  readonly clock: Pick<Clock, 'after' | 'every' | 'monotonic' | 'soon'>
}

type AnnouncedState = Exclude<InstanceState, 'gone'>

export class InstanceAnnouncer {
  readonly #options: InstanceAnnouncerOptions
  readonly #presence: PresenceAnnouncer
  readonly #claims: ClaimAnnouncer
  #state: AnnouncedState = 'starting'
  /** The number of entries of this instance that have not been read back. */
  #pending = 0
  /** An entry of this instance may be lost, so a roster accompanies the next announcement. */
  #isRosterDue = false
  /** Ends the periodic announcements. `undefined` before the first one and after the end. */
  #stop: (() => void) | undefined

  constructor(options: InstanceAnnouncerOptions) {
    const { state, presenceIntervalMs, connectionCount, clock } = options
    const { instances } = state
    this.#options = options
    this.#presence = new PresenceAnnouncer({
      presenceIntervalMs,
      memberCount: connectionCount,
      mayBeMoving: () => instances.isDraining && instances.isAnotherReady,
      isClaimedElsewhere: (clientId) => state.holderElsewhere(clientId) !== undefined,
      isElsewhere: (clientId, channel) => state.isElsewhere(clientId, channel),
      publish: (changes) => this.#publish({ kind: 'members', changes }),
      clock,
    })
    this.#claims = new ClaimAnnouncer({
      isRead: () => this.#stop !== undefined && instances.isAnotherLive,
      publish: (claims, releases) => this.#publish({ kind: 'claim', claims, releases }),
      clock,
    })
    state.observe({
      onStateMissed: () => {
        if (!this.#stop) return
        this.#publishRoster()
        this.#announce()
      },
      onRosterRequested: () => this.#publishRoster(),
      onStateDiffers: (of) => this.#publish({ kind: 'rosterRequest', of }),
      onLeaseExpired: (instance) => this.#publish({ kind: 'lost', instance }),
    })
  }

  /**
   * Makes the first announcement, after the feed has read the journal. The others answer with their rosters, which
   * arrive while this instance still starts. Nothing is announced in a journal that no other instance can read.
   */
  begin(): void {
    const { isShared, timeoutMs, clock } = this.#options
    if (!isShared || this.#stop) return
    this.#stop = clock.every(timeoutMs / 3, () => this.#announce())
    // Other instances apply the changes of an instance only after its first roster.
    this.#isRosterDue = true
    this.#announce()
  }

  /** Announces the new state of this instance. */
  announce(state: AnnouncedState): void {
    this.#state = state
    if (this.#stop) this.#announce()
  }

  /** The present announcement of this instance. */
  get own(): InstanceInfo {
    const { node, build, startedAtMs, connectionCount, lagMs } = this.#options
    return {
      node,
      build,
      state: this.#state,
      connections: connectionCount(),
      lagMs: Math.round(lagMs()),
      startedAtMs,
    }
  }

  /** This instance has admitted a client, which joins these channels. */
  admitted(client: ClaimedClient, channels: Iterable<string>): void {
    this.#options.state.admitted(client.clientId)
    this.#claims.claim(client)
    this.#presence.joined(client.clientId, channels, client.isMoving)
  }

  /** The connection of the client has ended. */
  ended(release: Release, channels: Iterable<string>): void {
    this.#claims.release(release)
    this.#presence.left(release.clientId, channels)
  }

  joined(clientId: string, channels: Iterable<string>): void {
    this.#presence.joined(clientId, channels)
  }

  left(clientId: string, channels: Iterable<string>): void {
    this.#presence.left(clientId, channels)
  }

  /**
   * Ends the announcements of this instance: it appends everything that is gathered, and then that it is gone. It first
   * waits for the joins of clients that have just migrated, so that no client receives a leave of them.
   */
  async end(): Promise<void> {
    this.#claims.flush()
    await this.#presence.whenMoved()
    this.#presence.flush()
    if (!this.#stop) return
    this.#stop()
    this.#stop = undefined
    this.#publishInstance('gone')
  }

  #announce(): void {
    const { node, state } = this.#options
    if (this.#isRosterDue) this.#publishRoster()
    // The digest is right at the announcement's place in the journal only if no other entry of this instance is under
    // way.
    const isSettled = this.#pending === 0 && state.instances.isAnotherLive
    this.#publishInstance(this.#state, isSettled ? state.digestOf(node) : undefined)
  }

  #publishInstance(state: InstanceState, digest?: string): void {
    const { build, connections, lagMs, startedAtMs } = this.own
    this.#publish({ kind: 'instance', build, state, connections, lagMs, startedAtMs, digest })
  }

  #publishRoster(): void {
    const { roster, presenceIntervalMs } = this.#options
    this.#isRosterDue = false
    this.#claims.discard()
    this.#presence.discard()
    const { clients, members } = roster()
    const groups = presenceIntervalMs === 0 ? [] : [...members, ...this.#presence.heldGroups]
    for (const chunk of chunksOf(clients.map(claimFor), groups)) this.#publish({ kind: 'roster', ...chunk })
  }

  #publish(content: EntryContent): void {
    this.#pending++
    this.#options.publish(content, (isLost) => {
      this.#pending--
      if (isLost) this.#isRosterDue = true
    })
  }
}
