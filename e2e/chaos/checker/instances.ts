/**
 * Announcements of instances take offsets, and no client receives them. Their greatest number follows from the events of the
 * servers. An instance without another one beside it appends nothing else.
 */
import type { HistoryEvent } from '../history-events.js'

const ANNOUNCED_EVERY_MS = 10_000

/** The most entries that the instances can have written for each other, while one instance runs at a time. */
export function mostSaidByInstances(events: readonly HistoryEvent[]): number {
  const servers = events.flatMap((event) => (event.type === 'server' ? [event] : []))
  const times = (what: (typeof servers)[number]['what']): number =>
    servers.filter((event) => event.what === what).length
  const [first, last] = [servers[0]?.at ?? 0, events.at(-1)?.at ?? 0]
  const repeated = servers.length === 0 ? 0 : Math.floor((last - first) / ANNOUNCED_EVERY_MS)
  // A roster, starting and ready, then draining and gone.
  return 3 * times('started') + 2 * times('stopped') + repeated
}
