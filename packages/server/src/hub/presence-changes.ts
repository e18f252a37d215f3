/**
 * The changes that a `presence` frame contains: those in the receiver's channels, with a limited number of names. Pure.
 */
import type { PresenceChange } from '@lastcall/protocol'
import type { VisibleChange } from '../journal/journal.js'

/** The number of clients that one frame names over all channels. Channels beyond that get counts only. */
export const MAX_NAMES_PER_FRAME = 1000

/** The number of clients that a frame names per channel. A channel with more changes gets counts only. */
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
