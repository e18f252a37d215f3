/**
 * Decides whether a stream is still the one that this instance has read. Pure.
 *
 * It may be another one although its end is beyond what was read. An example: A reads 1 to 100. Redis restarts from a
 * snapshot with 90 entries. C appends 30 more. A reconnects and finds 120 > 100, but its entries 91 to 100 are not
 * those of C. Therefore the instance reads the last entry that it has read again and compares its bytes. It does the
 * same for the last entry that Redis has confirmed, which may be lost before this instance has read it.
 */
import { compareEpochs } from './epochs.js'

/** An offset within an epoch. The offset 0 is the beginning of the epoch, before its first entry. */
export interface StreamPlace {
  readonly epoch: string
  readonly offset: number
}

/** The place up to which this instance has read, or up to which Redis has confirmed its appends. */
export interface OwnPlace extends StreamPlace {
  /** The entry at `offset`. `undefined`: this instance has read nothing in this epoch. */
  readonly bytes: Buffer | undefined
}

/** The present content of the stream. */
export interface Found {
  /** The place of the newest entry that was ever appended. `undefined`: there is no stream. */
  readonly head: StreamPlace | undefined
  /** The entry at this instance's own place. */
  readonly atOwnPlace: Buffer | undefined
  /** The oldest retained entry of this instance's own epoch. */
  readonly firstOffset: number | undefined
}

export type Match =
  /** It is the same stream, and the reader continues. */
  | { readonly kind: 'same' }
  /** Entries that were read are lost, so a new epoch must begin. */
  | { readonly kind: 'replaced'; readonly why: string }
  /** Entries that were read are lost, and another instance has already begun a new epoch. */
  | { readonly kind: 'superseded'; readonly epoch: string; readonly headOffset: number; readonly why: string }
  /** Entries were trimmed before they were read. The reader continues with this offset. */
  | { readonly kind: 'trimmed'; readonly nextOffset: number }

export function matchLog(own: OwnPlace, { head, atOwnPlace, firstOffset }: Found): Match {
  if (!head) return { kind: 'replaced', why: 'the stream is gone' }
  const age = compareEpochs(head.epoch, own.epoch)
  if (age < 0) return { kind: 'replaced', why: `the stream is back in the older epoch ${head.epoch}` }
  if (age === 0 && head.offset < own.offset) {
    return {
      kind: 'replaced',
      why: `the stream lost entries: it ended at ${own.offset} and ends at ${head.offset} now`,
    }
  }
  if (own.bytes === undefined || atOwnPlace?.equals(own.bytes)) return { kind: 'same' }
  const lost = (why: string): Match =>
    age > 0 ? { kind: 'superseded', epoch: head.epoch, headOffset: head.offset, why } : { kind: 'replaced', why }
  if (atOwnPlace) return lost(`another entry is at ${own.offset}`)
  if (firstOffset !== undefined && firstOffset <= own.offset) return lost(`the entry at ${own.offset} was deleted`)
  if (age > 0) return lost(`the entry at ${own.offset} was trimmed`)
  // All entries were trimmed, and this instance has read all of them.
  if (head.offset === own.offset) return { kind: 'same' }
  // Nothing proves that the stream is the same. A gap of at least one entry makes the reader report a new beginning.
  return { kind: 'trimmed', nextOffset: Math.max(firstOffset ?? head.offset + 1, own.offset + 2) }
}
