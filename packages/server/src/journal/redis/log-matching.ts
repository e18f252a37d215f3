/**
 * Whether a stream is still the one that this instance has read. Pure.
 *
 * It may not be, although the stream's end is beyond what was read: A reads 1 to 100. Redis restarts from a snapshot with 90
 * entries. C appends 30 more. A reconnects, finds 120 > 100, and its 91 to 100 are not those of C. So the last entry that
 * was read is read again, and its bytes are compared. The same holds for the last entry that was confirmed: it may be lost
 * before this instance has read it.
 */
import { compareEpochs } from './epochs.js'

/** An offset within an epoch. 0 is where an epoch begins, before its first entry. */
export interface StreamPlace {
  readonly epoch: string
  readonly offset: number
}

/** How far this instance has read, or how far its appends are confirmed. */
export interface OwnPlace extends StreamPlace {
  /** The entry at `offset`. `undefined`: this instance has read nothing in this epoch. */
  readonly bytes: Buffer | undefined
}

/** What the stream holds now. */
export interface Found {
  /** The place of the newest entry that was ever appended. `undefined`: there is no stream. */
  readonly head: StreamPlace | undefined
  /** The entry at this instance's own place. */
  readonly atOwnPlace: Buffer | undefined
  /** The oldest kept entry of this instance's own epoch. */
  readonly firstOffset: number | undefined
}

export type Match =
  /** Reading goes on. */
  | { readonly kind: 'same' }
  /** Entries that were read are lost: a new epoch must begin. */
  | { readonly kind: 'replaced'; readonly why: string }
  /** Entries that were read are lost, and another instance has begun a new epoch already. */
  | { readonly kind: 'superseded'; readonly epoch: string; readonly headOffset: number; readonly why: string }
  /** Entries that were not read yet are not kept any more. Reading goes on with this offset. */
  | { readonly kind: 'trimmed'; readonly nextOffset: number }

export function matchLog(own: OwnPlace, { head, atOwnPlace, firstOffset }: Found): Match {
  if (!head) return { kind: 'replaced', why: 'the stream is gone' }
  const age = compareEpochs(head.epoch, own.epoch)
  if (age < 0) return { kind: 'replaced', why: `the stream is back in the older epoch ${head.epoch}` }
  if (age === 0 && head.offset < own.offset) {
    return { kind: 'replaced', why: `the stream went back from ${own.offset} to ${head.offset}` }
  }
  if (own.bytes === undefined || atOwnPlace?.equals(own.bytes)) return { kind: 'same' }
  const lost = (why: string): Match =>
    age > 0 ? { kind: 'superseded', epoch: head.epoch, headOffset: head.offset, why } : { kind: 'replaced', why }
  if (atOwnPlace) return lost(`another entry is at ${own.offset}`)
  if (firstOffset !== undefined && firstOffset <= own.offset) return lost(`the entry at ${own.offset} was deleted`)
  if (age > 0) return lost(`the entry at ${own.offset} is not kept any more`)
  // All is trimmed, and nothing was missed.
  if (head.offset === own.offset) return { kind: 'same' }
  // That nothing differs cannot be shown. The gap of at least one entry makes it known to the reader.
  return { kind: 'trimmed', nextOffset: Math.max(firstOffset ?? head.offset + 1, own.offset + 2) }
}
