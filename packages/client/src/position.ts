/**
 * A position in the journal: an offset, which orders the entries that the client receives, and a cursor, with which it resumes.
 * Pure. To the client a cursor is an opaque string; only this file parses it, in the one format that this version of the
 * protocol defines.
 */

export interface Position {
  /** The client has received everything up to this offset. 0 when the server's cursor contains no offset. */
  readonly offset: number
  /** The latest cursor of the server. */
  readonly given: string
}

/** `EPOCH:OFFSET`. The client returns a cursor of another format unchanged. */
const FORMAT = /^([\w-]+):(\d{1,16})$/

/** The position of a server's cursor. */
export const positionAt = (given: string, otherwise = 0): Position => ({
  offset: Number(FORMAT.exec(given)?.[2] ?? otherwise),
  given,
})

/**
 * The cursor to send for a position. A frame may carry an offset without a cursor: then the cursor follows from the
 * offset where the format allows it. Otherwise the client sends the last cursor, which names an earlier position: the
 * server replays from there, and the client drops the entries that it has received already.
 */
export const cursorOf = ({ given, offset }: Position): string => given.replace(FORMAT, `$1:${offset}`)

/** Whether the offsets of the two can be compared. */
export const isSameJournal = (one: Position, other: Position): boolean => {
  const epoch = FORMAT.exec(one.given)?.[1]
  return epoch !== undefined && epoch === FORMAT.exec(other.given)?.[1]
}
