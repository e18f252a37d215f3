/**
 * What an entry is to somebody, and the window's entries as joined chunks for those that are behind. Knows offsets and
 * bytes; who is behind, and where, is catch-up.ts's business.
 */
import type { Locale } from '@lastcall/protocol'
import type { TransportEncoding } from '../connections/encoding.js'
import { exceptOf, isIn, isInSnapshot, isReplayed, recipientOf, senderOf } from '../journal/entry-kinds.js'
import type { AudienceView } from './audience.js'
import { joined } from './frames.js'
import type { WindowEntry, WindowView } from './window.js'

/** Joined frames and the offset they reach. */
export interface CatchUpChunk {
  readonly bytes: Buffer
  readonly upTo: number
  /** How many entries are in it. */
  readonly count: number
}

/** What makes one client's view of an entry differ. */
export interface Viewer {
  readonly clientId: string
  readonly locale: Locale
  readonly encoding: TransportEncoding
}

/** What this client gets of this entry, if it is in these channels: the entry, an ack, or nothing. */
export function frameFor(
  { entry, frames, retryOf }: WindowEntry,
  channels: ReadonlySet<string>,
  { clientId, locale, encoding }: Viewer,
): Buffer | undefined {
  if (senderOf(entry) === clientId) return frames.ack(retryOf ?? entry.offset, encoding)
  if (retryOf !== undefined) return undefined
  if (recipientOf(entry) === clientId) return frames.forAudience(locale, channels, encoding)
  return isIn(channels, entry) && exceptOf(entry) !== clientId
    ? frames.forAudience(locale, channels, encoding)
    : undefined
}

/** What everybody in these channels gets of this entry whom it does not concern personally. */
export const sharedFrame = (
  { entry, frames, retryOf }: WindowEntry,
  { channels, locale, encoding }: Omit<AudienceView, 'id'>,
): Buffer | undefined =>
  retryOf === undefined && isIn(channels, entry) ? frames.forAudience(locale, channels, encoding) : undefined

/** The past of some channels, up to an offset. */
export interface ReplayRange {
  readonly channels: ReadonlySet<string>
  /** The offset up to which it has been said. */
  readonly position: number
  readonly upTo: number
}

/** The past of some channels, asked for with `since`: said before the stream goes on. */
export interface Replay extends ReplayRange {
  /** Who leaves a channel meanwhile is spared its past. */
  readonly channels: Set<string>
  position: number
  /** Follows the last entry. */
  readonly lastFrame: Buffer
}

/** Where a connection that is behind stands. */
export interface CatchUp {
  /** Everything up to this offset that concerns the connection has been written to it. */
  position: number
  /** The offset of the connection's snapshot: entries up to there that changed its state are left out. */
  readonly snapshotAt: number
  readonly replays: Replay[]
  /** Waits for this position to be told that it has caught up. */
  onceCaughtUp?: { readonly upTo: number; readonly frame: Buffer } | undefined
}

type CatchUpPlace = Pick<CatchUp, 'position' | 'snapshotAt'>

/** How many shared chunks are kept for others who are at the same place. */
const MAX_KEPT_CHUNKS = 64

/** A chunk ends after so many entries, though they may all be for others: walking a long window takes its time, too. */
const MAX_WALKED = 4096

/** Cuts the window into chunks, and keeps those that many connections will ask for. */
export class ChunkCutter {
  readonly #window: WindowView
  readonly #shared = new Map<string, CatchUpChunk>()

  constructor(window: WindowView) {
    this.#window = window
  }

  /** The next chunk of an audience's stream for one of its members. There must be something after its position. */
  next(audience: AudienceView, member: Viewer, { position, snapshotAt }: CatchUpPlace, maxBytes: number): CatchUpChunk {
    const isBeforeSnapshot = position < snapshotAt
    const end = isBeforeSnapshot ? snapshotAt : this.#window.head
    const isSkipped = (item: WindowEntry): boolean => isBeforeSnapshot && isInSnapshot(item.entry)
    const key = `${String(audience.id)} ${String(position)} ${String(isBeforeSnapshot ? end : 0)} ${String(maxBytes)}`
    let chunk = this.#shared.get(key)
    if (!chunk) {
      chunk = this.#cut(position, end, maxBytes, (item) => (isSkipped(item) ? undefined : sharedFrame(item, audience)))
      if (this.#shared.size >= MAX_KEPT_CHUNKS) this.#shared.clear()
      this.#shared.set(key, chunk)
    }
    if (!this.#window.isPersonal(member.clientId, position, chunk.upTo)) return chunk
    return this.#cut(position, chunk.upTo, maxBytes, (item) =>
      isSkipped(item) ? undefined : frameFor(item, audience.channels, member),
    )
  }

  /** The next chunk of a replay. */
  nextOfReplay({ channels, position, upTo }: ReplayRange, viewer: Viewer, maxBytes: number): CatchUpChunk {
    return this.#cut(position, upTo, maxBytes, (item) =>
      isReplayed(item.entry) && isIn(channels, item.entry) ? frameFor(item, channels, viewer) : undefined,
    )
  }

  /** Lets go of the kept chunks: nobody is behind any more, or the window is another one. */
  clear(): void {
    this.#shared.clear()
  }

  #cut(
    after: number,
    upTo: number,
    maxBytes: number,
    frameOf: (item: WindowEntry) => Buffer | undefined,
  ): CatchUpChunk {
    const frames: Buffer[] = []
    let bytes = 0
    let offset = after
    const end = Math.min(upTo, after + MAX_WALKED)
    while (offset < end && bytes < maxBytes) {
      const frame = frameOf(this.#window.at(++offset))
      if (!frame) continue
      if (bytes > 0 && bytes + frame.length > maxBytes) {
        offset--
        break
      }
      frames.push(frame)
      bytes += frame.length
    }
    return {
      bytes: joined(frames),
      upTo: offset,
      count: frames.length,
    }
  }
}
