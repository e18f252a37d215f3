/** Groups of members, the form in which the journal holds the members of channels. */
import type { MemberGroup } from '../journal/journal.js'

/** Clients that are in the same channels share a group, so 60 clients in the same 99 channels are one group. */
export function groupByChannels(channels: ReadonlyMap<string, ReadonlySet<string>>): MemberGroup[] {
  const channelsOf = new Map<string, string[]>()
  for (const [channel, clients] of channels) {
    for (const clientId of clients) {
      const list = channelsOf.get(clientId)
      if (list) list.push(channel)
      else channelsOf.set(clientId, [channel])
    }
  }
  const groups = new Map<string, { channels: string[]; clients: string[] }>()
  for (const [clientId, list] of channelsOf) {
    const key = list.sort().join(',')
    const group = groups.get(key)
    if (group) group.clients.push(clientId)
    else groups.set(key, { channels: list, clients: [clientId] })
  }
  return [...groups.values()]
}
