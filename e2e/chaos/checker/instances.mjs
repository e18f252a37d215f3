/**
 * What instances say to each other in the journal takes offsets, and no client is told of it. How many that may be follows
 * from what became of the servers.
 */

const ANNOUNCED_EVERY_MS = 10_000

/** A shutdown that was announced, of an instance that was killed then, is believed in for so long. */
const BELIEVED_FOR_MS = 30_000

/** The most entries that the instances can have written for each other. With one at a time. */
export function mostSaidByInstances(events) {
  const servers = events.filter(({ type }) => type === 'server')
  const times = (what) => servers.filter((event) => event.what === what).length
  const [first, last] = [servers[0]?.at ?? 0, events.at(-1)?.at ?? 0]
  const repeated = servers.length === 0 ? 0 : Math.floor((last - first) / ANNOUNCED_EVERY_MS)
  // Ready, then draining and gone.
  return times('started') + 2 * times('stopped') + repeated + mostArrivals(events, servers)
}

/** Each newcomer is named, heard or not, while another instance is draining: or is taken for one, because it had no time to say more. */
function mostArrivals(events, servers) {
  let count = 0
  let believedUntil = -Infinity
  for (const event of events) {
    if (event.type === 'server' && event.what === 'killed' && wasStopping(event, servers)) {
      believedUntil = event.at + BELIEVED_FOR_MS
    }
    if (event.type === 'connect' && event.at <= believedUntil) count++
  }
  return count
}

/** Whether this instance's last event before it was killed was that it was told to stop. */
function wasStopping(killed, servers) {
  const before = servers.slice(0, servers.indexOf(killed)).filter(({ instance }) => instance === killed.instance)
  return before.at(-1)?.what === 'stopped'
}
