/**
 * The file of ENV_FILE: lines of `NAME=value`. Flags and the environment take precedence. The environment of a running process
 * cannot be replaced, so a reload reads new values from this file. This file knows no variable.
 */
import { parseEnv } from 'node:util'
import { nearestName } from './problems.js'
import { readUtf8File } from './text-file.js'

export type EnvFile =
  | { readonly ok: true; readonly values: Readonly<Record<string, string | undefined>> }
  | { readonly ok: false; readonly reason: string }

/** Parses quotes, comments and `export` as Node's own `--env-file` does. */
export function readEnvFile(path: string): EnvFile {
  const file = readUtf8File(path)
  return 'reason' in file ? { ok: false, reason: file.reason } : { ok: true, values: parseEnv(file.text) }
}

/** The shortest name that is checked for typos: in shorter names one letter makes another word, such as HOME and HOST. */
const MIN_TYPO_LENGTH = 6

/** An operator who sets variables of many programs may write this prefix. */
const PREFIX = /^LASTCALL_/

/** Makes `authSecret`, `AUTH-SECRET` and `AUTHSECRET` equal. */
const plain = (name: string): string => name.toUpperCase().replace(/[^A-Z0-9]/g, '')

/**
 * Warnings about names that look like misspelt variables. Other names cause no warning: the environment and the file serve
 * other programs, too, and a file may contain variables of a newer build.
 */
export function typosIn(values: Readonly<Record<string, unknown>>, names: readonly string[]): string[] {
  return Object.keys(values).flatMap((given) => {
    const meant = names.includes(given) ? undefined : meantBy(given.replace(PREFIX, ''), names)
    return meant === undefined ? [] : [`${given} is not a variable and is ignored. Did you mean ${meant}?`]
  })
}

/** The same for the environment, where a similar name beside the right one belongs to another program: WORKER beside WORKERS. */
export function typosInEnvironment(
  env: Readonly<Record<string, string | undefined>>,
  names: readonly string[],
): string[] {
  const missing = names.filter((name) => env[name] === undefined)
  const given = Object.keys(env).filter((name) => env[name] !== undefined && !names.includes(name))
  return typosIn(Object.fromEntries(given.map((name) => [name, env[name]])), missing)
}

function meantBy(given: string, names: readonly string[]): string | undefined {
  if (given.length < MIN_TYPO_LENGTH) return undefined
  const same = names.find((name) => plain(name) === plain(given))
  return same ?? nearestName(given, names, given.length < 2 * MIN_TYPO_LENGTH ? 1 : 2)
}
