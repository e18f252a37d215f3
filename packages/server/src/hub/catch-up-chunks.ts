/**
 * Which frame a client gets for an entry, and the window's entries as joined chunks for the connections that are
 * behind. This file knows offsets and bytes; catch-up.ts knows which connections are behind, and at which offset.
 */
import type { Locale } from '@lastcall/protocol'
import type { TransportEncoding } from '../connections/encoding.js'
import { exceptOf, isIn, isInSnapshot, isReplayed, recipientOf, senderOf } from '../journal/entry-kinds.js'
import type { AudienceView } from './audience.js'
import { joined } from './frames.js'
import type { WindowEntry, WindowView } from './window.js'

/** Joined frames, and the offset of the last entry that they cover. */
export interface CatchUpChunk {
  readonly bytes: Buffer
  readonly upTo: number
  /** The number of entries whose frames are in `bytes`. */
  readonly count: number
}

/** The properties of a client that decide which frame it gets. */
export interface Viewer {
  readonly clientId: string
  readonly locale: Locale
  readonly encoding: TransportEncoding
}

/** The frame that a client in these channels gets for this entry: the entry, its ack, or nothing. */
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

/** The frame for all members of an audience that the entry does not concern personally. */
export const sharedFrame = (
  { entry, frames, retryOf }: WindowEntry,
  { channels, locale, encoding }: Omit<AudienceView, 'id'>,
): Buffer | undefined =>
  retryOf === undefined && isIn(channels, entry) ? frames.forAudience(locale, channels, encoding) : undefined

/** A range of retained entries of some channels. */
export interface ReplayRange {
  readonly channels: ReadonlySet<string>
  /** The entries up to this offset have been written. */
  readonly position: number
  readonly upTo: number
}

/**
 * A replay of some channels that a client asked for with `since`. The server writes it before it continues the
 * connection's stream.
 */
export interface Replay extends ReplayRange {
  /**
   * A client that unsubscribes during the replay gets no more entries of that channel, so the channel is removed here.
   */
  readonly channels: Set<string>
  position: number
  /** The server writes it after the last entry. */
  readonly lastFrame: Buffer
}

/** The position of a connection that is behind. */
export interface CatchUp {
  /** All entries up to this offset that concern the connection have been written to it. */
  position: number
  /**
   * The offset of the connection's snapshot. It contains the changes of presence up to this offset, so the server
   * leaves these entries out.
   */
  readonly snapshotAt: number
  readonly replays: Replay[]
  /** The server writes this frame when `position` reaches `upTo`. */
  onceCaughtUp?: { readonly upTo: number; readonly frame: Buffer } | undefined
}

type CatchUpPlace = Pick<CatchUp, 'position' | 'snapshotAt'>

/** The number of chunks that are kept for other connections at the same offset. */
const MAX_KEPT_CHUNKS = 64

/**
 * A chunk covers at most this many entries. A window can hold a million entries of other channels, and walking through
 * them all at once would block the event loop.
 */
const MAX_WALKED = 4096

/** Cuts the window into chunks, and keeps those that other connections of the same audience need, too. */
export class ChunkCutter {
  readonly #window: WindowView
  readonly #shared = new Map<string, CatchUpChunk>()

  constructor(window: WindowView) {
    this.#window = window
  }

  /** The next chunk of an audience's stream for one of its members. `position` is before the window's head. */
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

  nextOfReplay({ channels, position, upTo }: ReplayRange, viewer: Viewer, maxBytes: number): CatchUpChunk {
    return this.#cut(position, upTo, maxBytes, (item) =>
      isReplayed(item.entry) && isIn(channels, item.entry) ? frameFor(item, channels, viewer) : undefined,
    )
  }

  /** Forgets the kept chunks. The caller calls it when no connection is behind, or when the window has been reset. */
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
