/**
 * Which clients are in which channels, on all instances. The state follows from the `members` and `roster` entries
 * (docs/adr/0015). A client is present in a channel while at least one instance has it there. Pure: it knows no time,
 * no journal and no connection.
 */
import type { MemberGroup, MembersChange, VisibleChange } from '../journal/journal.js'
import type { Pieces } from '../pieces.js'
import { SetDigest } from '../set-digest.js'
import { NetChanges, type ChannelChange } from './net-changes.js'

/** The members that one instance has declared. */
interface Declared {
  readonly channels: Map<string, Set<string>>
  readonly digest: SetDigest
  /** The number of pairs of a channel and a client. */
  size: number
}

/** The number of pairs per instance; further ones are ignored. It covers 100,000 connections in 100 channels each. */
const MAX_MEMBERSHIPS = 10_000_000

/** The number of pairs of a channel and a client in one piece of a long change: one pair takes one or two microseconds. */
export const PAIRS_A_PIECE = 1000

export class Membership {
  readonly #declared = new Map<string, Declared>()
  /** For each channel and client, the number of instances that have the client there. */
  readonly #present = new Map<string, Map<string, number>>()

  /** Applies the changes of one instance. Returns the changes that clients see. */
  apply(node: string, changes: readonly MembersChange[]): VisibleChange[] {
    const visible = new NetChanges()
    const declared = this.#declaredBy(node)
    for (const { channels, joined, left } of changes) {
      for (const channel of channels) {
        for (const clientId of joined) this.#add(declared, channel, clientId, visible)
        for (const clientId of left) this.#remove(declared, channel, clientId, visible)
      }
    }
    return this.#changesOf(visible)
  }

  /**
   * Replaces the complete state of one instance, which may have a million pairs, in pieces of PAIRS_A_PIECE. Returns the
   * changes that clients see.
   */
  *replace(node: string, groups: readonly MemberGroup[]): Pieces<VisibleChange[]> {
    const visible = new NetChanges()
    const declared = this.#declaredBy(node)
    const wanted = yield* setsOf(groups)
    let count = 0
    for (const [channel, clients] of declared.channels) {
      const kept = wanted.get(channel)
      for (const clientId of clients) {
        if (++count % PAIRS_A_PIECE === 0) yield
        if (!kept?.has(clientId)) this.#remove(declared, channel, clientId, visible)
      }
    }
    for (const [channel, clients] of wanted) {
      for (const clientId of clients) {
        if (++count % PAIRS_A_PIECE === 0) yield
        this.#add(declared, channel, clientId, visible)
      }
    }
    const changes: VisibleChange[] = []
    for (const change of visible.changes) {
      yield
      changes.push(this.#visibleChange(change))
    }
    return changes
  }

  /** Removes an instance that is gone, with its clients, in pieces as well. Returns the changes that clients see. */
  *drop(node: string): Pieces<VisibleChange[]> {
    const changes = yield* this.replace(node, [])
    this.#declared.delete(node)
    return changes
  }

  /** Forgets everything, because the journal was replaced. */
  clear(): void {
    this.#declared.clear()
    this.#present.clear()
  }

  /** A hash of the members that one instance has declared. */
  digestOf(node: string): string {
    return (this.#declared.get(node)?.digest ?? new SetDigest()).text
  }

  /** The number of clients in this channel on all instances. */
  countIn(channel: string): number {
    return this.#present.get(channel)?.size ?? 0
  }

  has(channel: string, clientId: string): boolean {
    return this.#present.get(channel)?.has(clientId) ?? false
  }

  /** Whether an instance other than `node` has the client in the channel. */
  isElsewhere(channel: string, clientId: string, node: string): boolean {
    const instances = this.#present.get(channel)?.get(clientId) ?? 0
    const isHere = this.#declared.get(node)?.channels.get(channel)?.has(clientId) ?? false
    return instances > Number(isHere)
  }

  /** At most `limit` clients of the channel. The client that joined first is first. */
  *namesIn(channel: string, limit: number): Generator<string> {
    let count = 0
    for (const clientId of this.#present.get(channel)?.keys() ?? []) {
      if (count++ === limit) return
      yield clientId
    }
  }

  #declaredBy(node: string): Declared {
    let declared = this.#declared.get(node)
    if (!declared) this.#declared.set(node, (declared = { channels: new Map(), digest: new SetDigest(), size: 0 }))
    return declared
  }

  #add(declared: Declared, channel: string, clientId: string, visible: NetChanges): void {
    if (declared.size >= MAX_MEMBERSHIPS) return
    let clients = declared.channels.get(channel)
    if (!clients) declared.channels.set(channel, (clients = new Set()))
    if (clients.has(clientId)) return
    clients.add(clientId)
    declared.size++
    declared.digest.toggle(`${channel}\n${clientId}`)
    let present = this.#present.get(channel)
    if (!present) this.#present.set(channel, (present = new Map<string, number>()))
    const instances = present.get(clientId) ?? 0
    present.set(clientId, instances + 1)
    if (instances === 0) visible.joined(channel, clientId)
  }

  #remove(declared: Declared, channel: string, clientId: string, visible: NetChanges): void {
    const clients = declared.channels.get(channel)
    if (!clients?.delete(clientId)) return
    if (clients.size === 0) declared.channels.delete(channel)
    declared.size--
    declared.digest.toggle(`${channel}\n${clientId}`)
    const present = this.#present.get(channel)
    const instances = present?.get(clientId) ?? 0
    if (instances > 1) {
      present?.set(clientId, instances - 1)
      return
    }
    present?.delete(clientId)
    if (present?.size === 0) this.#present.delete(channel)
    visible.left(channel, clientId)
  }

  #changesOf(visible: NetChanges): VisibleChange[] {
    return visible.changes.map((change) => this.#visibleChange(change))
  }

  #visibleChange({ channel, joined, left }: ChannelChange): VisibleChange {
    return { channel, joined: [...joined], left: [...left], count: this.countIn(channel) }
  }
}

/** The clients of each channel. */
function* setsOf(groups: readonly MemberGroup[]): Pieces<Map<string, Set<string>>> {
  const sets = new Map<string, Set<string>>()
  let count = 0
  for (const { channels, clients } of groups) {
    for (const channel of channels) {
      let set = sets.get(channel)
      if (!set) sets.set(channel, (set = new Set()))
      for (const clientId of clients) {
        if (++count % PAIRS_A_PIECE === 0) yield
        set.add(clientId)
      }
    }
  }
  return sets
}
