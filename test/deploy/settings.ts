/**
 * What the files in deploy/ are compared with: the server's variables and their defaults, and times as people write them.
 */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { configFrom } from '../../packages/server/src/config/load-config.js'
import { VARIABLES } from '../../packages/server/src/config/schema.js'

export const place = (file: string): string => fileURLToPath(new URL(`../../deploy/${file}`, import.meta.url))

export const read = (file: string): string => readFileSync(place(file), 'utf8')

export const DEFAULTS = configFrom()

/** ENV_FILE is not in the configuration: it says where that is. */
const KNOWN = new Set([...VARIABLES.map(({ name }) => name), 'ENV_FILE'])

/** Of these names those that the server does not know. */
export const unknownVariables = (names: readonly string[]): string[] => names.filter((name) => !KNOWN.has(name))

const SECONDS: Readonly<Record<string, number>> = { ms: 0.001, s: 1, m: 60, h: 3600 }

/** `90`, `90s`, `30m30s`, `1h`: in seconds. */
export function seconds(text: string): number {
  if (/^\d+$/.test(text)) return Number(text)
  const parts = [...text.matchAll(/(\d+)(ms|s|m|h)/g)]
  if (parts.map(([part]) => part).join('') !== text) throw new Error(`not a time: ${text}`)
  return parts.reduce((sum, [, number, unit = '']) => sum + Number(number) * (SECONDS[unit] ?? NaN), 0)
}

/** What follows this in a file, up to the end of the word. Fails when it is not there. */
export function wordAfter(text: string, start: string): string {
  const escaped = start.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
  const word = new RegExp(`^\\s*${escaped}\\s*([^\\s;#]+)`, 'm').exec(text)?.[1]
  if (word === undefined) throw new Error(`there is no ${start}`)
  return word
}
