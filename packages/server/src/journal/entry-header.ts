/**
 * The first line of an encoded entry: JSON with the fields of every kind. It owns the names of these fields and the checks
 * of their types; which kind uses which field is in entry-kinds.ts.
 */

/** The version of this encoding. */
export const ENTRY_VERSION = 1

/** What `encode` writes. One-letter names, because every entry pays for them. */
export interface EntryHeader {
  readonly v: number
  /** kind */
  readonly k: string
  /** at */
  readonly t: number
  /** node */
  readonly n: string
  /** sequence */
  readonly s: number
  /** channel */
  c?: string
  /** to */
  to?: string
  /** from */
  f?: string
  /** id */
  i?: string | undefined
  /** build */
  b?: string
  /** state */
  st?: string
}

/** What `decode` reads: anybody may have written it. */
export type ReadHeader = Readonly<Partial<Record<keyof EntryHeader, unknown>>>

export const isText = (value: unknown): value is string => typeof value === 'string'

export const isCount = (value: unknown): value is number => typeof value === 'number'

export const isNames = (value: unknown): value is readonly string[] => Array.isArray(value) && value.every(isText)
