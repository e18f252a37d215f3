/**
 * Makes a `Config`: for the command from environment and flags, for the library from options. The only file that reads
 * process.env. All problems are found at once.
 */
import { LastcallError } from '../errors.js'
import { crossProblems } from './cross-checks.js'
import { mustBe } from './kinds.js'
import { parseFlags } from './flags.js'
import { didYouMean, formatProblem, shown, type ConfigProblem } from './problems.js'
import { configSchema, VARIABLES, type Config, type ConfigKey, type Variable } from './schema.js'

export type ConfigSource = 'default' | 'environment' | 'flag'

export type ConfigResult =
  | {
      readonly ok: true
      readonly config: Config
      /** Where each value comes from. */
      readonly sources: Readonly<Record<ConfigKey, ConfigSource>>
      /** The values of `commandFlags` that were given. */
      readonly commandFlags: ReadonlyMap<string, string>
    }
  | { readonly ok: false; readonly problems: readonly ConfigProblem[] }

/**
 * Takes variables out of the environment that are not configuration but a word of the parent process to this one alone,
 * such as NOTIFY_SOCKET: a child that inherited them would believe that they are meant for it.
 */
export function takeFromEnvironment<Name extends string>(
  names: readonly Name[],
  env: Record<string, string | undefined> = process.env,
): Partial<Record<Name, string>> {
  const taken: Partial<Record<Name, string>> = {}
  for (const name of names) {
    const value = env[name]
    if (value !== undefined) taken[name] = value
    // eslint-disable-next-line @typescript-eslint/no-dynamic-delete -- What is undefined in process.env is "undefined".
    delete env[name]
  }
  return taken
}

export interface LoadConfigOptions {
  /** Default: process.env. An empty text counts as not set. */
  readonly env?: Readonly<Record<string, string | undefined>>
  /** What follows the command on the command line: flags, which win over the environment. Default: none. */
  readonly argv?: readonly string[]
  /** Flags that the command has besides those of the variables, without dashes. */
  readonly commandFlags?: readonly string[]
}

export function loadConfig({ env = process.env, argv = [], commandFlags = [] }: LoadConfigOptions = {}): ConfigResult {
  const flags = parseFlags(argv, [...VARIABLES.map(({ flag }) => flag), ...commandFlags])
  const sources = {} as Record<ConfigKey, ConfigSource>
  const given = VARIABLES.flatMap((variable): Given[] => {
    // A secret is left as it is: what surrounds it may be part of it.
    const tidy = (text = ''): string => (variable.kind.secret ? text : text.trim())
    const fromFlag = tidy(flags.values.get(variable.flag))
    const text = fromFlag || tidy(env[variable.name])
    sources[variable.key] = fromFlag ? 'flag' : text ? 'environment' : 'default'
    if (!text) return []
    const name = fromFlag ? `--${variable.flag}` : variable.name
    return [{ variable, name, raw: text, value: variable.kind.fromText(text) }]
  })
  const { config, problems } = check(given, (variable) => variable.name)
  const all = [...flags.problems, ...problems]
  if (all.length > 0) return { ok: false, problems: all }
  return {
    ok: true,
    config,
    sources,
    commandFlags: new Map([...flags.values].filter(([name]) => commandFlags.includes(name))),
  }
}

/**
 * The configuration for use as a library: the defaults, with these options instead of some of them.
 *
 * @throws {LastcallError} `config_invalid`: the message lists every problem.
 */
export function configFrom(options: Partial<Config> = {}): Config {
  const unknown = Object.keys(options).filter((key) => !VARIABLES.some((variable) => variable.key === key))
  const keys = VARIABLES.map(({ key }) => key)
  const given = VARIABLES.flatMap((variable): Given[] => {
    const value = options[variable.key]
    return value === undefined ? [] : [{ variable, name: variable.key, raw: value, value }]
  })
  const { config, problems } = check(given, (variable) => variable.key)
  const all = [
    ...unknown.map((key) => ({ name: key, expected: `is not an option${didYouMean(key, keys)}` })),
    ...problems,
  ]
  if (all.length > 0) {
    throw new LastcallError('config_invalid', `The configuration is not valid. ${all.map(formatProblem).join('; ')}`)
  }
  return config
}

interface Given {
  readonly variable: Variable
  /** As whoever gave it knows it. */
  readonly name: string
  /** What was given. */
  readonly raw: unknown
  /** What that means. */
  readonly value: unknown
}

function check(given: readonly Given[], nameOf: (variable: Variable) => string): Checked {
  const problems: ConfigProblem[] = []
  const broken = new Set<ConfigKey>()
  const values: Partial<Record<ConfigKey, unknown>> = {}
  for (const { variable, name, raw, value } of given) {
    const allowed = configSchema.shape[variable.key].safeParse(value).success
    if (allowed && !variable.notYet?.includes(value)) {
      values[variable.key] = value
      continue
    }
    broken.add(variable.key)
    const expected = allowed ? 'is not in this version yet' : mustBe(variable.kind)
    problems.push({ name, given: shown(variable, raw), expected })
  }
  const config = configSchema.parse(values)
  const name = (key: ConfigKey): string => {
    const variable = VARIABLES.find((each) => each.key === key)
    return variable ? nameOf(variable) : key
  }
  return { config, problems: [...problems, ...crossProblems(config, broken, name)] }
}

interface Checked {
  /** Where something is wrong: the default. */
  readonly config: Config
  readonly problems: readonly ConfigProblem[]
}
