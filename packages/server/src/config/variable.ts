/**
 * The declaration of a configuration variable: the schema of its value, and its documentation.
 */
import * as z from 'zod'
import { invariant } from '../invariant.js'
import type { Kind } from './kinds.js'

/** The headings of the reference, in order. */
export const GROUPS = [
  'Network',
  'Shutdown',
  'Connections and messages',
  'Access',
  'Journal and history',
  'Operation',
] as const

interface About {
  readonly group: (typeof GROUPS)[number]
  /** One sentence. */
  readonly doc: string
  /** The default in words, where the value alone does not explain it. */
  readonly defaultText?: string
  /** Whether only the command can use it; `createServer` rejects it. */
  readonly commandOnly?: true
}

/** The declaration of a variable, except its place in `Config`. */
export interface VariableMeta extends About {
  /** The name in the environment: `SHUTDOWN_TIMEOUT`. */
  readonly name: string
  readonly kind: Kind<unknown>
  readonly defaultValue: unknown
}

const registry = new Map<unknown, VariableMeta>()

/** A variable with a default. */
export function variable<T>(name: string, kind: Kind<T>, about: About & { default: NoInfer<T> }): z.ZodType<T> {
  const { default: defaultValue, ...rest } = about
  const schema = z.prefault(kind.schema, defaultValue)
  registry.set(schema, { ...rest, name, kind, defaultValue })
  return schema
}

/** A variable that may be absent. */
export function optional<T>(name: string, kind: Kind<T>, about: About): z.ZodType<T | undefined> {
  const schema = kind.schema.optional()
  registry.set(schema, { ...about, name, kind, defaultValue: undefined })
  return schema
}

/** @param schema As `variable` or `optional` has returned it. */
export function metaOf(schema: unknown): VariableMeta {
  const meta = registry.get(schema)
  invariant(meta, 'every schema of a variable is registered')
  return meta
}
