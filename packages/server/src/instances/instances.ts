/**
 * Which instances share the journal, by their own announcements in it, and which of them are live. Callers decide what
 * follows from that. It knows no journal: the feed hands it what it reads, in the journal's order.
 *
 * The lease of an instance is measured by receipt (docs/adr/0016): no clock of another machine is ever compared.
 */
import type { Clock } from '../clock.js'
import type { Entry, InstanceState } from '../journal/journal.js'

export interface InstancesOptions {
  /** The id of this instance. */
  readonly node: string
  /** Milliseconds without any entry from an instance after which it is lost (INSTANCE_TIMEOUT). */
  readonly timeoutMs: number
  readonly clock: Pick<Clock, 'monotonic'>
}

/** What an instance announced last. */
export interface InstanceInfo {
  readonly node: string
  readonly build: string
  readonly state: InstanceState
  /** Clients connected to it. */
  readonly connections: number
  /** Milliseconds from its last append to the return of that entry. */
  readonly lagMs: number
  /** When it started, by its own clock: milliseconds since 1970. */
  readonly startedAtMs: number
}

type Announcement = Extract<Entry, { kind: 'instance' }>

export class Instances {
  readonly #options: InstancesOptions
  /** Live instances, this one included. */
  readonly #live = new Map<string, InstanceInfo>()
  /** When something came from each other instance, by the monotonic clock. */
  readonly #receivedAtMs = new Map<string, number>()
  #isAtHead = false
  /** No lease expires earlier than a full timeout after this moment. */
  #leasesSinceMs = 0

  constructor(options: InstancesOptions) {
    this.#options = options
  }

  /**
   * The reader has read what was in the journal when it started. Announcements before that prove nothing: an instance that
   * was killed has left some, too.
   */
  reachHead(): void {
    this.#isAtHead = true
    this.renewLeases()
  }

  /** The journal can be reached again: while it could not, nobody could announce anything. */
  renewLeases(): void {
    this.#leasesSinceMs = this.#options.clock.monotonic()
  }

  /** The journal was replaced: nothing that was announced in the other one counts. */
  forget(): void {
    this.#live.clear()
    this.#receivedAtMs.clear()
  }

  /** An entry of this instance was read, whatever it says. */
  receivedFrom(node: string): void {
    if (this.#isAtHead) this.#receivedAtMs.set(node, this.#options.clock.monotonic())
  }

  /** Applies an announcement. */
  announced({ node, build, state, connections, lagMs, startedAtMs }: Announcement): void {
    if (!this.#isAtHead) return
    if (state === 'gone') this.lost(node)
    else this.#live.set(node, { node, build, state, connections, lagMs, startedAtMs })
  }

  /** The instance is gone, by its own announcement or because its lease expired. */
  lost(node: string): void {
    this.#live.delete(node)
    this.#receivedAtMs.delete(node)
  }

  /** Whether the instance has announced itself since this one reached the journal's head, and is not lost. */
  isLive(node: string): boolean {
    return this.#live.has(node)
  }

  /**
   * The other instances whose lease has expired. To be asked when this instance reads back its own announcement: then it
   * has read everything that stands before it, so a slow reader expires nobody.
   */
  expired(): string[] {
    const { node, timeoutMs, clock } = this.#options
    const oldestMs = clock.monotonic() - timeoutMs
    if (this.#leasesSinceMs >= oldestMs) return []
    const others = [...this.#receivedAtMs].filter(([other, atMs]) => other !== node && atMs < oldestMs)
    return others.map(([other]) => other)
  }

  /** The live instances, this one included, by their ids. */
  get all(): InstanceInfo[] {
    return [...this.#live.values()].sort((a, b) => (a.node < b.node ? -1 : 1))
  }

  /**
   * Whether the shutdown of this instance has begun, by the journal: what other instances append for a draining instance
   * stands behind its announcement.
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

  /** Whether an instance of any other build is ready. */
  isReadyBeside(build: string): boolean {
    return this.#hasOther((other) => other.state === 'ready' && other.build !== build)
  }

  /** How many instances are in this state, this one included. */
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
