/**
 * Reads `--name value` and `--name=value`. The caller passes the names that exist.
 */
import { didYouMean, type ConfigProblem } from './problems.js'

export interface ParsedFlags {
  /** Values by name, without dashes. The last value of a name counts. */
  readonly values: ReadonlyMap<string, string>
  readonly problems: readonly ConfigProblem[]
}

export function parseFlags(argv: readonly string[], names: readonly string[]): ParsedFlags {
  const values = new Map<string, string>()
  const problems: ConfigProblem[] = []
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i] ?? ''
    if (!word.startsWith('--')) {
      problems.push({ name: word, expected: 'is not a flag; values follow one, as in --port 8000' })
      continue
    }
    const equals = word.indexOf('=')
    const name = word.slice(2, equals < 0 ? undefined : equals)
    const next = argv[i + 1]
    const separate = equals < 0 && next !== undefined && !next.startsWith('--')
    if (separate) i++
    if (!names.includes(name)) {
      problems.push({ name: `--${name}`, expected: `is not a flag${didYouMean(name, names, (each) => `--${each}`)}` })
    } else if (equals >= 0) values.set(name, word.slice(equals + 1))
    else if (separate) values.set(name, next)
    else problems.push({ name: `--${name}`, expected: 'needs a value' })
  }
  return { values, problems }
}
