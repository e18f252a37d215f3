/**
 * The texts of `--help` and `check` about the variables.
 */
import { VARIABLES, type Config, type ConfigKey, type Variable } from './schema.js'
import { GROUPS } from './variable.js'
import type { ConfigSource } from './load-config.js'

const INDENT = ' '.repeat(6)

const UNITS = { seconds: ' s', milliseconds: ' ms', bytes: ' bytes', entries: ' entries', clients: ' clients' } as const

/** A value as text for people; secrets are hidden. */
function displayed({ kind, defaultText }: Variable, value: unknown): string {
  if (value === undefined) return defaultText ?? 'none'
  return `${kind.toText(value)}${kind.unit ? UNITS[kind.unit] : ''}`
}

/** The default as text for people. */
export const displayedDefault = (variable: Variable): string =>
  variable.defaultText ?? displayed(variable, variable.defaultValue)

/** Indented lines of at most 96 characters. */
const wrapped = (text: string): string => text.replace(/(.{1,90})(?:\s+|$)/g, (_, line: string) => `${INDENT}${line}\n`)

/** Every flag under its heading. */
export function flagsHelp(): string {
  const groups = GROUPS.map((group) => {
    const flags = VARIABLES.filter((variable) => variable.group === group).map(
      (variable) =>
        `  --${variable.flag} ${variable.kind.placeholder}\n` +
        wrapped(`${variable.doc} Default: ${displayedDefault(variable)}.`),
    )
    return `${group}:\n${flags.join('')}`
  })
  return groups.join('\n')
}

/** One line for each variable: its name, its value and the source of the value. */
export function configTable(config: Config, sources: Readonly<Record<ConfigKey, ConfigSource>>): string {
  const rows = [
    ['VARIABLE', 'VALUE', 'FROM'],
    ...VARIABLES.map((each) => [each.name, displayed(each, config[each.key]), sources[each.key]]),
  ]
  const widths = [0, 1].map((column) => Math.max(...rows.map((row) => (row[column] ?? '').length)))
  return rows.map((row) => `${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')}\n`).join('')
}
