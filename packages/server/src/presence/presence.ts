/**
 * Presence: who came and who went, gathered per channel, so that a storm of joins stays a handful of entries. Who comes
 * and goes again within one gathering (a reload, a short loss of network) was never away.
 */

export interface PresenceChange {
  readonly channel: string
  /** At most MAX_NAMES of them. */
  readonly joined: readonly string[]
  readonly left: readonly string[]
  readonly joinedCount: number
  readonly leftCount: number
}

/** How many ids one entry names; the rest is counted. */
export const MAX_NAMES = 50

interface Gathering {
  readonly joined: Set<string>
  readonly left: Set<string>
  /** Came and went within it. */
  readonly passing: Set<string>
}

export class Presence {
  #gatherings = new Map<string, Gathering>()

  joined(channel: string, clientId: string): void {
    const { joined, left, passing } = this.#gathering(channel)
    passing.delete(clientId)
    if (!left.delete(clientId)) joined.add(clientId)
  }

  left(channel: string, clientId: string): void {
    const { joined, left, passing } = this.#gathering(channel)
    if (joined.delete(clientId)) passing.add(clientId)
    else left.add(clientId)
  }

  /** Who left is still there, elsewhere. */
  stayed(clientId: string): void {
    for (const { joined, left, passing } of this.#gatherings.values()) {
      left.delete(clientId)
      if (passing.delete(clientId)) joined.add(clientId)
    }
  }

  /** What has been gathered, and begins anew. */
  take(): PresenceChange[] {
    const changes: PresenceChange[] = []
    for (const [channel, { joined, left }] of this.#gatherings) {
      if (joined.size + left.size === 0) continue
      changes.push({
        channel,
        joined: firstOf(joined),
        left: firstOf(left),
        joinedCount: joined.size,
        leftCount: left.size,
      })
    }
    this.#gatherings = new Map()
    return changes
  }

  #gathering(channel: string): Gathering {
    let gathering = this.#gatherings.get(channel)
    if (!gathering)
      this.#gatherings.set(channel, (gathering = { joined: new Set(), left: new Set(), passing: new Set() }))
    return gathering
  }
}

function firstOf(ids: ReadonlySet<string>): string[] {
  const names: string[] = []
  for (const id of ids) {
    if (names.length === MAX_NAMES) break
    names.push(id)
  }
  return names
}
