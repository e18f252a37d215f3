/**
 * Announcements of instances take offsets, and no client is told of them. How many they are at most follows from what became
 * of the servers. An instance without another one beside it appends nothing else.
 */

const ANNOUNCED_EVERY_MS = 10_000

/** The most entries that the instances can have written for each other. With one at a time. */
export function mostSaidByInstances(events) {
  const servers = events.filter(({ type }) => type === 'server')
  const times = (what) => servers.filter((event) => event.what === what).length
  const [first, last] = [servers[0]?.at ?? 0, events.at(-1)?.at ?? 0]
  const repeated = servers.length === 0 ? 0 : Math.floor((last - first) / ANNOUNCED_EVERY_MS)
  // A roster, starting and ready, then draining and gone.
  return 3 * times('started') + 2 * times('stopped') + repeated
}
