/**
 * The server's variables and their defaults, and a reader of durations, for the tests of the files in deploy/.
 */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { configFrom } from '../../packages/server/src/config/load-config.js'
import { VARIABLES } from '../../packages/server/src/config/schema.js'

export const place = (file: string): string => fileURLToPath(new URL(`../../deploy/${file}`, import.meta.url))

export const read = (file: string): string => readFileSync(place(file), 'utf8')

export const DEFAULTS = configFrom()

/** ENV_FILE is no variable of the configuration: it names the file that contains them. */
const KNOWN = new Set([...VARIABLES.map(({ name }) => name), 'ENV_FILE'])

/** The names among these that the server does not know. */
export const unknownVariables = (names: readonly string[]): string[] => names.filter((name) => !KNOWN.has(name))

const SECONDS: Readonly<Record<string, number>> = { ms: 0.001, s: 1, m: 60, h: 3600 }

/** Converts `90`, `90s`, `30m30s` or `1h` to seconds. */
export function seconds(text: string): number {
  if (/^\d+$/.test(text)) return Number(text)
  const parts = [...text.matchAll(/(\d+)(ms|s|m|h)/g)]
  if (parts.map(([part]) => part).join('') !== text) throw new Error(`not a time: ${text}`)
  return parts.reduce((sum, [, number, unit = '']) => sum + Number(number) * (SECONDS[unit] ?? NaN), 0)
}

/** The word that follows this text in a file. Throws when the file lacks the text. */
export function wordAfter(text: string, start: string): string {
  const escaped = start.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
  const word = new RegExp(`^\\s*${escaped}\\s*([^\\s;#]+)`, 'm').exec(text)?.[1]
  if (word === undefined) throw new Error(`there is no ${start}`)
  return word
}
