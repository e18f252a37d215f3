/**
 * The file of ENV_FILE: lines of `NAME=value`, below the environment and the flags. A process cannot be given another
 * environment while it runs, so this is where a reload finds a new configuration. Knows no variable.
 */
import { readFileSync } from 'node:fs'
import { parseEnv } from 'node:util'
import { nearestName } from './problems.js'

export type EnvFile =
  | { readonly ok: true; readonly values: Readonly<Record<string, string | undefined>> }
  | { readonly ok: false; readonly reason: string }

/** Quotes, comments and `export` are as in Node's own `--env-file`. */
export function readEnvFile(path: string): EnvFile {
  try {
    return { ok: true, values: parseEnv(readFileSync(path, 'utf8')) }
  } catch (error) {
    return { ok: false, reason: `cannot be read: ${error instanceof Error ? error.message : String(error)}` }
  }
}

/** In shorter names one letter makes another word: HOME is no HOST. */
const MIN_TYPO_LENGTH = 6

/**
 * What looks like a slip of the pen. Other names are nobody's fault: the file may serve several programs, and a build of
 * yesterday may read that of today.
 */
export function typosIn(values: Readonly<Record<string, unknown>>, names: readonly string[]): string[] {
  return Object.keys(values).flatMap((given) => {
    if (names.includes(given) || given.length < MIN_TYPO_LENGTH) return []
    const meant = nearestName(given, names, given.length < 2 * MIN_TYPO_LENGTH ? 1 : 2)
    return meant === undefined ? [] : [`${given} is not a variable and is ignored. Did you mean ${meant}?`]
  })
}
