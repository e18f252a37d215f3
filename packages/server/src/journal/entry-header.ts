/**
 * The first line of an encoded entry: JSON with the fields of every kind. This file owns the names of the fields and
 * the checks of their types. entry-kinds.ts states which kind uses which field.
 */

/** The version of this encoding. */
export const ENTRY_VERSION = 1

/** The header that `encode` writes. Names have one letter, because every entry contains them. */
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
  /** `true`: byApplication */
  a?: true | undefined
  /** build */
  b?: string
  /** state */
  st?: string
}

/** The header that `decode` reads. Any program may have written it. */
export type ReadHeader = Readonly<Partial<Record<keyof EntryHeader, unknown>>>

export const isText = (value: unknown): value is string => typeof value === 'string'

export const isCount = (value: unknown): value is number => typeof value === 'number'

export const isNames = (value: unknown): value is readonly string[] => Array.isArray(value) && value.every(isText)
