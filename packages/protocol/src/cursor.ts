/**
 * A cursor, `EPOCH:OFFSET`: everything up to this offset of that journal has been received. A client's whole state.
 */

export interface Cursor {
  /** The journal's id, made when it was created. */
  readonly epoch: string
  /** The highest offset received; 0: nothing yet. */
  readonly offset: number
}

const CURSOR_PATTERN = /^([a-zA-Z0-9_-]{1,64}):(0|[1-9][0-9]{0,15})$/

/** Reads a cursor; `undefined` when the text is not one. */
export function parseCursor(text: string): Cursor | undefined {
  const match = CURSOR_PATTERN.exec(text)
  if (!match) return undefined
  const offset = Number(match[2])
  return Number.isSafeInteger(offset) ? { epoch: match[1] as string, offset } : undefined
}

export const formatCursor = ({ epoch, offset }: Cursor): string => `${epoch}:${String(offset)}`
