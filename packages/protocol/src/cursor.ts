/**
 * A cursor: the client has received everything up to this position of the journal. To a client it is an opaque string of 1 to
 * 256 visible ASCII characters; the server of this version writes and reads `EPOCH:OFFSET`.
 */

export interface Cursor {
  /** The random id of the journal, chosen at its creation. */
  readonly epoch: string
  /** The highest offset received; 0: nothing yet. */
  readonly offset: number
}

/** The text is shorter than 256 characters for any epoch and offset. */
const CURSOR_PATTERN = /^([a-zA-Z0-9_-]{1,64}):(0|[1-9][0-9]{0,15})$/

/**
 * Parses a cursor. `undefined`: the text is no cursor, or has a form that this version does not know. A client that sends such
 * a cursor gets `recovered: false`.
 */
export function parseCursor(text: string): Cursor | undefined {
  const match = CURSOR_PATTERN.exec(text)
  if (!match) return undefined
  const offset = Number(match[2])
  return Number.isSafeInteger(offset) ? { epoch: match[1] as string, offset } : undefined
}

export const formatCursor = ({ epoch, offset }: Cursor): string => `${epoch}:${String(offset)}`
