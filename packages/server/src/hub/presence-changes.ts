/** What a `presence` frame says of an entry: the changed channels of its receiver, with limited names. Pure. */
import type { PresenceChange } from '@lastcall/protocol'
import type { VisibleChange } from '../journal/journal.js'

/** How many clients one frame names, over all channels; beyond that channels have counts only. */
export const MAX_NAMES_PER_FRAME = 1000

/** How many names one channel's change has; beyond that there are counts. */
const MAX_NAMES = 50

export function presenceChanges(changes: readonly VisibleChange[], channels: ReadonlySet<string>): PresenceChange[] {
  let left = MAX_NAMES_PER_FRAME
  const some = (names: readonly string[]): readonly string[] => {
    const named = names.slice(0, Math.min(MAX_NAMES, left))
    left -= named.length
    return named
  }
  return changes
    .filter(({ channel }) => channels.has(channel))
    .map((change) => ({
      channel: change.channel,
      joined: some(change.joined),
      left: some(change.left),
      joinedCount: change.joined.length,
      leftCount: change.left.length,
      count: change.count,
    }))
}
