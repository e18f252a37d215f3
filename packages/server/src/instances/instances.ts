/**
 * Which instances share the journal, by their own announcements, and which of them are live. Callers decide on the
 * consequences. It knows no journal; the feed passes the entries on.
 *
 * The lease of an instance is measured from receipt (docs/adr/0016), so the clocks of different machines are never
 * compared.
 */
import type { Clock } from '../clock.js'
import type { Entry, InstanceState } from '../journal/journal.js'

export interface InstancesOptions {
  /** The id of this instance. */
  readonly node: string
  /** The time without any entry from an instance after which it is lost, in milliseconds (INSTANCE_TIMEOUT). */
  readonly timeoutMs: number
  readonly clock: Pick<Clock, 'monotonic'>
}

/** The last announcement of an instance. */
export interface InstanceInfo {
  readonly node: string
  readonly build: string
  readonly state: InstanceState
  /** The number of clients that are connected to it. */
  readonly connections: number
  /** The time from its last append to the reading of that entry, in milliseconds. */
  readonly lagMs: number
  /** When it started by its own clock: milliseconds since 1970. */
  readonly startedAtMs: number
}

type Announcement = Extract<Entry, { kind: 'instance' }>

export class Instances {
  readonly #options: InstancesOptions
  /** The live instances, including this one. */
  readonly #live = new Map<string, InstanceInfo>()
  /** When the last entry of each other instance was received, by the monotonic clock. */
  readonly #receivedAtMs = new Map<string, number>()
  #isAtHead = false
  /** No lease expires before a full timeout after this moment. */
  #leasesSinceMs = 0

  constructor(options: InstancesOptions) {
    this.#options = options
  }

  /**
   * The feed has read the whole journal. Earlier announcements do not prove that an instance is live: an instance that
   * was killed has left some, too.
   */
  reachHead(): void {
    this.#isAtHead = true
    this.renewLeases()
  }

  /** Renews all leases after an outage of the journal, in which no instance could announce itself. */
  renewLeases(): void {
    this.#leasesSinceMs = this.#options.clock.monotonic()
  }

  /** Forgets all instances, because the journal was replaced. */
  forget(): void {
    this.#live.clear()
    this.#receivedAtMs.clear()
  }

  /** An entry of this instance was read. Every kind of entry renews the lease. */
  receivedFrom(node: string): void {
    if (this.#isAtHead) this.#receivedAtMs.set(node, this.#options.clock.monotonic())
  }

  announced({ node, build, state, connections, lagMs, startedAtMs }: Announcement): void {
    if (!this.#isAtHead) return
    if (state === 'gone') this.lost(node)
    else this.#live.set(node, { node, build, state, connections, lagMs, startedAtMs })
  }

  /** The instance is gone, by its own announcement or because its lease has expired. */
  lost(node: string): void {
    this.#live.delete(node)
    this.#receivedAtMs.delete(node)
  }

  /** Whether the instance has announced itself since this one read the whole journal, and is not lost. */
  isLive(node: string): boolean {
    return this.#live.has(node)
  }

  /**
   * The other instances whose lease has expired. The caller asks when this instance reads back its own announcement: it
   * has then read every earlier entry, so a slow reader takes no instance for lost.
   */
  expired(): string[] {
    const { node, timeoutMs, clock } = this.#options
    const oldestMs = clock.monotonic() - timeoutMs
    if (this.#leasesSinceMs >= oldestMs) return []
    const others = [...this.#receivedAtMs].filter(([other, atMs]) => other !== node && atMs < oldestMs)
    return others.map(([other]) => other)
  }

  /** The live instances including this one, sorted by id. */
  get all(): InstanceInfo[] {
    return [...this.#live.values()].sort((a, b) => (a.node < b.node ? -1 : 1))
  }

  /**
   * Whether this instance has read its own announcement that it drains. Entries that other instances append for a
   * draining instance follow that announcement.
   */
  get isDraining(): boolean {
    return this.#live.get(this.#options.node)?.state === 'draining'
  }

  /** Whether another instance reads this journal. */
  get isAnotherLive(): boolean {
    return this.#hasOther(() => true)
  }

  get isAnotherReady(): boolean {
    return this.#hasOther(({ state }) => state === 'ready')
  }

  /** Whether a live instance of another build is ready. */
  isReadyBeside(build: string): boolean {
    return this.#hasOther((other) => other.state === 'ready' && other.build !== build)
  }

  /** The number of instances in this state, including this one. */
  count(state: InstanceState): number {
    let count = 0
    for (const instance of this.#live.values()) if (instance.state === state) count++
    return count
  }

  #hasOther(fits: (instance: InstanceInfo) => boolean): boolean {
    for (const [node, instance] of this.#live) if (node !== this.#options.node && fits(instance)) return true
    return false
  }
}
