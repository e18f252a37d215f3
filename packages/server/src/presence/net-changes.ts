/**
 * The net changes of presence over some time: a client that joins and leaves (a reload, a short loss of the network)
 * cancels its own change and is not mentioned.
 */
import { groupByChannels } from './groups.js'
import type { MembersChange } from '../journal/journal.js'

export interface ChannelChange {
  readonly channel: string
  readonly joined: ReadonlySet<string>
  readonly left: ReadonlySet<string>
}

interface Sets {
  readonly joined: Set<string>
  readonly left: Set<string>
}

export class NetChanges {
  readonly #channels = new Map<string, Sets>()

  joined(channel: string, clientId: string): void {
    const { joined, left } = this.#of(channel)
    if (!left.delete(clientId)) joined.add(clientId)
  }

  left(channel: string, clientId: string): void {
    const { joined, left } = this.#of(channel)
    if (!joined.delete(clientId)) left.add(clientId)
  }

  /** The channels with net changes. */
  get changes(): ChannelChange[] {
    const changes: ChannelChange[] = []
    for (const [channel, { joined, left }] of this.#channels) {
      if (joined.size + left.size > 0) changes.push({ channel, joined, left })
    }
    return changes
  }

  /** The net changes in the form of a `members` entry. */
  get groups(): MembersChange[] {
    const { changes } = this
    const setsOf = (side: 'joined' | 'left'): Map<string, ReadonlySet<string>> =>
      new Map(changes.map((change) => [change.channel, change[side]]))
    return [
      ...groupByChannels(setsOf('left')).map(({ channels, clients }) => ({ channels, joined: [], left: clients })),
      ...groupByChannels(setsOf('joined')).map(({ channels, clients }) => ({ channels, joined: clients, left: [] })),
    ]
  }

  /** Removes up to `max` changes, each of one client in one channel, and returns them. */
  take(max: number): MembersChange[] {
    const taken = new NetChanges()
    let room = max
    for (const [channel, sets] of this.#channels) {
      for (const side of ['left', 'joined'] as const) {
        for (const clientId of sets[side]) {
          if (room-- === 0) return taken.groups
          sets[side].delete(clientId)
          taken.#of(channel)[side].add(clientId)
        }
      }
      this.#channels.delete(channel)
    }
    return taken.groups
  }

  /** Whether nothing has been noted, not even a change that another one has cancelled. */
  get isEmpty(): boolean {
    return this.#channels.size === 0
  }

  clear(): void {
    this.#channels.clear()
  }

  #of(channel: string): Sets {
    let sets = this.#channels.get(channel)
    if (!sets) this.#channels.set(channel, (sets = { joined: new Set(), left: new Set() }))
    return sets
  }
}
