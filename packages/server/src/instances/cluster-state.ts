/**
 * What this instance knows of all instances: which of them are live, which of them holds which clientId, and which
 * clients are in which channels. The state follows from the entries that the feed passes on, in the journal's order.
 * Cluster state appends nothing and knows no socket; its observers do both.
 */
import type { Clock } from '../clock.js'
import { handleEntry, type EntryHandlers, type EntryOf } from '../journal/entry-kinds.js'
import type { Application } from '../hub/feed.js'
import type { Claim, Entry, Release, VisibleChange } from '../journal/journal.js'
import type { Logger } from '../observability/log.js'
import type { Stats } from '../observability/stats.js'
import type { Pieces } from '../pieces.js'
import { Membership } from '../presence/membership.js'
import { Snapshots } from '../presence/snapshot.js'
import { Claims, type ClaimOutcome, type Holder } from './claims.js'
import { Instances } from './instances.js'
import { ReleaseWaiters } from './release-waiters.js'
import { ReservedNames, type FormerClients, type Reservation } from './reserved-names.js'
import { RosterAssembly, type CompleteRoster } from './roster.js'

export interface ClusterStateOptions {
  /** The id of this instance. */
  readonly node: string
  /** The time without any entry from an instance after which it is lost, in milliseconds (INSTANCE_TIMEOUT). */
  readonly timeoutMs: number
  /** Whether clients learn which clients are in their channels. */
  readonly hasPresence: boolean
  /** The number of clients that a snapshot names per channel (PRESENCE_LIST_LIMIT). */
  readonly presenceListLimit: number
  /** The clients that are connected to this instance, by clientId. */
  readonly clientsHere: () => FormerClients['here']
  readonly clock: Pick<Clock, 'now' | 'after' | 'monotonic'>
  readonly stats: Stats
  readonly log: Logger
}

/** Observers must not throw. */
export interface ClusterObserver {
  /** Another instance has admitted the client of this connection, and has proved that it is the same client. */
  onClaimedElsewhere?(connection: Release, by: Holder): void
  /** Another instance has admitted this client. The client may have no connection here. */
  onAdmittedElsewhere?(clientId: string): void
  /** Another client held the clientId of this connection first, on another instance. */
  onClaimVoid?(connection: Release, holder: Holder): void
  /**
   * Another instance has the same client. Either its connection is the newer one, or it is not certain which one is
   * newer. A client that is still connected here has to reconnect.
   */
  onClaimOutdated?(connection: Release): void
  /**
   * Other instances lack the state of this one, because an instance has started, the journal was replaced or this
   * instance has reconnected to it.
   */
  onStateMissed?(): void
  onRosterRequested?(): void
  /** The state of another instance differs from the state that it announced. */
  onStateDiffers?(instance: string): void
  /** This instance has received no entry of the other one for INSTANCE_TIMEOUT. */
  onLeaseExpired?(instance: string): void
}

/** The difference of the clocks from which on the server warns: the time `at` of messages is shown to people. */
const MAX_CLOCK_DIFFERENCE_MS = 5000

export class ClusterState {
  readonly instances: Instances
  readonly #options: ClusterStateOptions
  readonly #claims = new Claims()
  readonly #reservedNames: ReservedNames
  readonly #membership = new Membership()
  readonly #snapshots: Snapshots
  readonly #rosters = new RosterAssembly()
  /** The instances whose complete roster has been read. The changes of another instance mean nothing without it. */
  readonly #complete = new Set<string>()
  readonly #releases: ReleaseWaiters
  readonly #handlers: EntryHandlers
  readonly #observers = new Set<ClusterObserver>()
  #changes: VisibleChange[] = []
  /** The rest of the entry that is being applied: it changes the state of a complete instance. */
  #rest: Pieces<void> | undefined
  #isAtHead = false
  readonly #warnedOfClock = new Set<string>()

  constructor(options: ClusterStateOptions) {
    const { node, timeoutMs, presenceListLimit, clock } = options
    this.#options = options
    this.instances = new Instances({ node, timeoutMs, clock })
    this.#complete.add(node)
    this.#reservedNames = new ReservedNames({ node, clock })
    this.#releases = new ReleaseWaiters(clock)
    this.#snapshots = new Snapshots({ membership: this.#membership, listLimit: presenceListLimit })
    this.#handlers = {
      message: undefined,
      direct: undefined,
      presence: undefined,
      unknown: undefined,
      placeholder: undefined,
      instance: (entry) => this.#readInstance(entry),
      lost: (entry) => this.#readLost(entry),
      claim: (entry) => this.#readClaims(entry),
      members: ({ node: from, changes }) => {
        if (this.#complete.has(from)) this.#see(this.#membership.apply(from, changes))
      },
      roster: (entry) => this.#readRoster(entry),
      rosterRequest: ({ of }) => {
        if (of === node) this.#notify((observer) => observer.onRosterRequested?.())
      },
    }
  }

  /** Adds an observer. The returned function removes it. */
  observe(observer: ClusterObserver): () => void {
    this.#observers.add(observer)
    return () => this.#observers.delete(observer)
  }

  // ——— queries

  /** The other instance that holds this clientId. `undefined`: the clientId is free, or this instance holds it. */
  holderElsewhere(clientId: string): Holder | undefined {
    const holder = this.#claims.holderOf(clientId)
    return holder?.node === this.#options.node ? undefined : holder
  }

  /**
   * The client that had this clientId when the journal was replaced, and that is expected to reconnect. `undefined`:
   * none.
   */
  reservationOf(clientId: string): Reservation | undefined {
    return this.#reservedNames.reservationOf(clientId)
  }

  /** Resolves when no other instance holds this clientId any more, or after `maxWaitMs`. */
  waitForRelease(clientId: string, maxWaitMs: number): Promise<void> {
    return this.holderElsewhere(clientId) ? this.#releases.wait(clientId, maxWaitMs) : Promise.resolve()
  }

  /** Whether another instance has the client in this channel. */
  isElsewhere(clientId: string, channel: string): boolean {
    return this.#membership.isElsewhere(channel, clientId, this.#options.node)
  }

  /** A hash of the state of an instance, as far as it has been read. */
  digestOf(node: string): string {
    return `${this.#membership.digestOf(node)}${this.#claims.digestOf(node)}`
  }

  /** The number of clients that are connected to other instances. */
  get clientsElsewhere(): number {
    return this.#claims.countElsewhere(this.#options.node)
  }

  /** At most `limit` clients of this channel by name, and the number of all. `undefined`: presence is off. */
  membersOf(channel: string, limit: number): { readonly names: string[]; readonly count: number } | undefined {
    if (!this.#options.hasPresence) return undefined
    return { names: [...this.#membership.namesIn(channel, limit)], count: this.#membership.countIn(channel) }
  }

  /** The clients in these channels, as JSON text. `undefined`: presence is off. */
  snapshotFor(clientId: string, channels: Iterable<string>): string | undefined {
    return this.#options.hasPresence ? this.#snapshots.textFor(clientId, channels) : undefined
  }

  // ——— entries of the journal, in its order

  /** The feed has read every entry that the journal contained at the start. Only later entries change the state. */
  reachHead(): void {
    this.#isAtHead = true
    this.instances.reachHead()
  }

  /**
   * Applies an entry. Returns the entry that clients receive: the same one, or the change of presence that it causes. An
   * entry that changes the state of a complete instance, a million pairs of clients and channels, is applied in pieces:
   * then it returns the function that does the next one.
   */
  apply(entry: Entry): Entry | Application {
    if (!this.#isAtHead) return entry
    const isOwn = entry.node === this.#options.node
    if (!isOwn && entry.node !== '') this.instances.receivedFrom(entry.node)
    handleEntry(entry, this.#handlers)
    const rest = this.#rest
    this.#rest = undefined
    if (!rest || rest.next().done) return this.#visibleIn(entry)
    return () => (rest.next().done ? this.#visibleIn(entry) : undefined)
  }

  /** The entry that clients receive in place of this one, which has been applied. */
  #visibleIn(entry: Entry): Entry {
    this.#releases.wake(this.#isFree)
    if (this.#changes.length === 0) return entry
    const { offset, at, node, sequence, bytes } = entry
    const changes = this.#changes
    this.#changes = []
    return { kind: 'presence', changes, offset, at, node, sequence, bytes }
  }

  /** The journal was replaced. Every instance appends its state to the new one. */
  replaced(): void {
    this.instances.forget()
    this.#reservedNames.reserve({ here: this.#options.clientsHere(), holders: this.#claims.clear() })
    this.#membership.clear()
    this.#snapshots.clear()
    this.#rosters.clear()
    this.#complete.clear()
    this.#complete.add(this.#options.node)
    this.#notify((observer) => observer.onStateMissed?.())
  }

  /** The journal is reachable again. Entries may be lost, and an outage counts against no lease. */
  reconnected(): void {
    this.instances.renewLeases()
    this.#notify((observer) => observer.onStateMissed?.())
  }

  /** This instance has admitted a client under this clientId. */
  admitted(clientId: string): void {
    this.#reservedNames.returned(clientId)
  }

  // ——— one handler for each kind of entry

  #readInstance(entry: EntryOf<'instance'>): void {
    const { node, clock } = this.#options
    const isOwn = entry.node === node
    const isNew = !isOwn && entry.state !== 'gone' && !this.instances.isLive(entry.node)
    this.instances.announced(entry)
    if (entry.state === 'gone') {
      this.#rest = this.#drop(entry.node)
      return
    }
    if (isOwn) {
      for (const other of this.instances.expired()) this.#notify((observer) => observer.onLeaseExpired?.(other))
      return
    }
    // Only an entry from the future proves that the clocks differ: an entry from the past may have been read late.
    this.#compareClocks(entry.node, entry.at - clock.now())
    if (isNew) this.#notify((observer) => observer.onStateMissed?.())
    else if (entry.digest !== undefined && !this.#agreesWith(entry.node, entry.digest)) {
      this.#options.stats.rosterRequests++
      this.#notify((observer) => observer.onStateDiffers?.(entry.node))
    }
  }

  #readLost({ instance }: EntryOf<'lost'>): void {
    const { node, stats, log } = this.#options
    if (instance !== node) {
      if (!this.instances.isLive(instance) && !this.#complete.has(instance)) return
      stats.instancesLost++
      log.warn(
        'instance.lost',
        { instance },
        'this instance has received nothing from another one for INSTANCE_TIMEOUT and takes it for lost',
      )
      this.instances.lost(instance)
      this.#rest = this.#drop(instance)
      return
    }
    log.warn(
      'instance.lost',
      { instance },
      'another instance has received nothing from this one and took it for lost: this one announces itself again',
    )
    this.#rest = this.#dropOwn()
  }

  *#dropOwn(): Pieces<void> {
    const { node } = this.#options
    this.#claims.drop(node)
    this.#see(yield* this.#membership.drop(node))
    this.#notify((observer) => observer.onStateMissed?.())
  }

  *#drop(instance: string): Pieces<void> {
    this.#complete.delete(instance)
    this.#claims.drop(instance)
    this.#see(yield* this.#membership.drop(instance))
  }

  #readClaims({ node, claims, releases }: EntryOf<'claim'>): void {
    if (!this.#complete.has(node)) return
    for (const claim of claims) this.#judge(node, claim, this.#claims.claim(node, claim))
    for (const release of releases) this.#claims.release(node, release)
  }

  #readRoster(entry: EntryOf<'roster'>): void {
    const { node } = entry
    const roster = this.#rosters.take(node, entry)
    if (roster) this.#rest = this.#replace(node, roster)
  }

  *#replace(node: string, { claims, members }: CompleteRoster): Pieces<void> {
    this.#complete.add(node)
    yield* this.#claims.replace(node, claims, (claim, outcome) => this.#judge(node, claim, outcome))
    this.#see(yield* this.#membership.replace(node, members))
  }

  /** Notifies the observers of what a claim's outcome means for the connections of this instance. */
  #judge(node: string, claim: Claim, outcome: ClaimOutcome): void {
    const own = this.#options.node
    const hasWon = outcome.kind === 'held' || outcome.kind === 'superseded'
    if (hasWon && node !== own) {
      this.#reservedNames.returned(claim.clientId)
      this.#notify((observer) => observer.onAdmittedElsewhere?.(claim.clientId))
    }
    if (outcome.kind === 'superseded' && outcome.loser.node === own) {
      const { loser } = outcome
      const isCertain = claim.isMoving || claim.admittedAt > loser.admittedAt
      this.#notify((observer) => {
        if (isCertain) observer.onClaimedElsewhere?.(loser, { ...claim, node })
        else observer.onClaimOutdated?.(loser)
      })
    } else if (outcome.kind === 'outdated' && node === own)
      this.#notify((observer) => observer.onClaimOutdated?.(claim))
    else if (outcome.kind === 'void' && node === own) {
      this.#notify((observer) => observer.onClaimVoid?.(claim, outcome.holder))
    }
  }

  #notify(notice: (observer: ClusterObserver) => void): void {
    for (const observer of this.#observers) notice(observer)
  }

  #see(changes: readonly VisibleChange[]): void {
    for (const change of changes) {
      this.#snapshots.invalidate(change.channel)
      this.#changes.push(change)
    }
  }

  #agreesWith(node: string, digest: string): boolean {
    return this.#complete.has(node) && digest === this.digestOf(node)
  }

  readonly #isFree = (clientId: string): boolean => !this.holderElsewhere(clientId)

  #compareClocks(node: string, differenceMs: number): void {
    if (differenceMs <= MAX_CLOCK_DIFFERENCE_MS || this.#warnedOfClock.has(node)) return
    this.#warnedOfClock.add(node)
    const { log } = this.#options
    log.warn(
      'instance.clock',
      { instance: node, differenceMs },
      'the clock of another instance is ahead of the clock here: only `at` in messages is wrong; synchronize the clocks',
    )
  }
}
