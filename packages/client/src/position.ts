/**
 * A place in the journal as the client knows it: an offset, which orders what the client receives, and a cursor, which
 * tells the server where to go on. Pure. To the client a cursor is an opaque string; only this file looks into one, in
 * the one format that this version of the protocol defines.
 */

export interface Position {
  /** Everything up to this offset has been received. 0 where the server's cursor does not tell an offset. */
  readonly offset: number
  /** The latest cursor that the server gave. */
  readonly given: string
}

/** `EPOCH:OFFSET`. A cursor of another format is sent back as it was given. */
const FORMAT = /^([\w-]+):(\d{1,16})$/

/** Where the server's cursor points to. */
export const positionAt = (given: string, otherwise = 0): Position => ({
  offset: Number(FORMAT.exec(given)?.[2] ?? otherwise),
  given,
})

/**
 * The cursor to send for a position. A frame may carry an offset without a cursor: then the cursor follows from the
 * offset where the format allows it. Where it does not, the last cursor given stands for an earlier place: the server
 * replays from there, and the client drops what it has received already.
 */
export const cursorOf = ({ given, offset }: Position): string => given.replace(FORMAT, `$1:${offset}`)

/** Whether offsets of the two can be compared. */
export const isSameJournal = (one: Position, other: Position): boolean => {
  const epoch = FORMAT.exec(one.given)?.[1]
  return epoch !== undefined && epoch === FORMAT.exec(other.given)?.[1]
}
