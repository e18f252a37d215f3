/**
 * A batch of the feed, indexed by channel and by client, so that the cost of its delivery depends on what the server
 * delivers. An audience costs the entries of its channels. A client that an entry concerns personally costs these
 * entries in addition to the shared bytes.
 */
import { forEachChannel, forEachConcernedPersonally } from '../journal/entry-kinds.js'
import type { AudienceView } from './audience.js'
import { frameFor, sharedFrame, type Viewer } from './catch-up-chunks.js'
import { joined } from './frames.js'
import type { WindowEntry } from './window.js'

/** Several frames as one buffer. */
export interface JoinedFrames {
  readonly bytes: Buffer
  readonly count: number
}

/** The frames of a batch that all members of an audience get. */
export interface SharedFrames extends JoinedFrames {
  /** The index in the batch of each frame's entry, ascending. */
  readonly indexes: readonly number[]
  /** The position in `bytes` at which each frame begins, and the end of the last frame. */
  readonly starts: readonly number[]
}

export class Batch {
  readonly #items: readonly WindowEntry[]
  readonly #byChannel = new Map<string, number[]>()
  readonly #byClient = new Map<string, number[]>()

  constructor(items: readonly WindowEntry[]) {
    this.#items = items
    for (const [index, { entry }] of items.entries()) {
      forEachChannel(entry, (channel) => note(this.#byChannel, channel, index))
      forEachConcernedPersonally(entry, (clientId) => note(this.#byClient, clientId, index))
    }
  }

  get channels(): Iterable<string> {
    return this.#byChannel.keys()
  }

  /** The clients that an entry of the batch concerns personally: senders, and recipients of direct messages. */
  get clients(): Iterable<string> {
    return this.#byClient.keys()
  }

  /** The frames for the members of an audience that no entry of the batch concerns personally. */
  sharedBy(audience: AudienceView): SharedFrames {
    const indexes: number[] = []
    const starts = [0]
    const frames: Buffer[] = []
    let end = 0
    for (const index of this.#indexesIn(audience.channels)) {
      const frame = sharedFrame(this.#items[index] as WindowEntry, audience)
      if (!frame) continue
      indexes.push(index)
      frames.push(frame)
      starts.push((end += frame.length))
    }
    return { bytes: joined(frames), count: frames.length, indexes, starts }
  }

  /**
   * The frames for one member of an audience: the shared frames, and the member's own frame for each entry that
   * concerns it personally.
   */
  of(viewer: Viewer, channels: ReadonlySet<string>, { bytes, indexes, starts }: SharedFrames): JoinedFrames {
    const parts: Buffer[] = []
    let count = 0
    let from = 0
    const share = (to: number): void => {
      if (to > from) parts.push(bytes.subarray(starts[from], starts[to]))
      count += to - from
    }
    for (const index of this.#byClient.get(viewer.clientId) ?? NONE) {
      const at = firstAtLeast(indexes, index)
      share(at)
      from = indexes[at] === index ? at + 1 : at
      const frame = frameFor(this.#items[index] as WindowEntry, channels, viewer)
      if (!frame) continue
      parts.push(frame)
      count++
    }
    share(indexes.length)
    return { bytes: joined(parts), count }
  }

  /** The indexes of the entries in these channels, ascending. An entry of several channels appears once. */
  #indexesIn(channels: ReadonlySet<string>): readonly number[] {
    const lists: (readonly number[])[] = []
    for (const channel of channels.size < this.#byChannel.size ? channels : this.#byChannel.keys()) {
      const list = channels.has(channel) ? this.#byChannel.get(channel) : undefined
      if (list) lists.push(list)
    }
    const [first] = lists
    if (lists.length <= 1) return first ?? NONE
    return [...new Set(lists.flat())].sort((a, b) => a - b)
  }
}

const NONE: readonly number[] = []

function note(index: Map<string, number[]>, key: string, position: number): void {
  const positions = index.get(key)
  if (positions) positions.push(position)
  else index.set(key, [position])
}

/** The index of the first number that is at least `least`, or the length if no number is. */
function firstAtLeast(ascending: readonly number[], least: number): number {
  let low = 0
  let high = ascending.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((ascending[middle] as number) < least) low = middle + 1
    else high = middle
  }
  return low
}
