/**
 * Makes a `Config`: for the command from flags, environment and ENV_FILE, in this order; for the library from options.
 * The only file that reads process.env. All problems are found at once.
 */
import { LastcallError } from '../errors.js'
import { crossProblems } from './cross-checks.js'
import { readEnvFile, typosIn, typosInEnvironment, type EnvFile } from './env-file.js'
import { mustBe } from './kinds.js'
import { parseFlags } from './flags.js'
import { didYouMean, formatProblem, shown, type ConfigProblem } from './problems.js'
import { configSchema, VARIABLES, type Config, type ConfigKey, type Variable } from './schema.js'
import { readTlsFiles } from './tls-files.js'

export type ConfigSource = 'default' | 'file' | 'environment' | 'flag'

export type ConfigResult =
  | {
      readonly ok: true
      readonly config: Config
      /** Where each value comes from. */
      readonly sources: Readonly<Record<ConfigKey, ConfigSource>>
      /** The values of `commandFlags` that were given. */
      readonly commandFlags: ReadonlyMap<string, string>
      /** What deserves a look and keeps nobody from starting. */
      readonly warnings: readonly string[]
    }
  | { readonly ok: false; readonly problems: readonly ConfigProblem[] }

/** Set by the primary in the environment of its workers. */
export const WORKER_VARIABLE = 'LASTCALL_WORKER'

/** Set by the primary as well, where the descriptor of the log is not that of standard output. */
export const LOG_FD_VARIABLE = 'LASTCALL_LOG_FD'

/** Whether this process was started by a primary, as one of its workers. */
export const isWorker = (): boolean => process.env[WORKER_VARIABLE] !== undefined && process.send !== undefined

export type LoadedConfig = Extract<ConfigResult, { ok: true }>

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
  const find = (variable: Variable, file: EnvFile | undefined): Found | undefined => {
    const { name, flag, kind } = variable
    const places: readonly Omit<Found, 'variable' | 'raw'>[] = [
      { source: 'flag', name: `--${flag}`, text: flags.values.get(flag) },
      { source: 'environment', name, text: env[name] },
      { source: 'file', name: `${name} in ENV_FILE`, text: file?.ok ? file.values[name] : undefined },
    ]
    // Nothing at all counts as not set.
    return places
      .map(({ text, ...place }) => ({
        ...place,
        variable,
        text: kind.secret ? withoutEdges(text) : text?.trim(),
        raw: text,
      }))
      .find(({ text }) => text)
  }
  // Where the file is can't be said in the file.
  const place = find(VARIABLES.find(({ key }) => key === 'envFile') as Variable, undefined)
  const file = place?.text === undefined ? undefined : readEnvFile(place.text)
  const found = VARIABLES.flatMap((variable) => find(variable, variable.key === 'envFile' ? undefined : file) ?? [])
  const given = found.map(({ variable, name, text = '' }) => {
    return { variable, name, raw: text, value: variable.kind.fromText(text) }
  })
  const { config, problems } = check(given, (variable) => variable.name)
  const fileProblems =
    !place || !file || file.ok
      ? []
      : [{ name: place.name, given: shown(place.variable, place.text), expected: file.reason }]
  const all = [...flags.problems, ...fileProblems, ...problems]
  if (all.length > 0) return { ok: false, problems: all }
  const names = VARIABLES.map(({ name }) => name)
  const sources = Object.fromEntries(VARIABLES.map(({ key }) => [key, 'default'])) as Record<ConfigKey, ConfigSource>
  for (const { variable, source } of found) sources[variable.key] = source
  return {
    ok: true,
    config,
    sources,
    commandFlags: new Map([...flags.values].filter(([name]) => commandFlags.includes(name))),
    warnings: [
      ...found
        .filter(({ variable, text, raw }) => variable.kind.secret && text !== raw)
        .map(({ name }) => `${name}: ${EDGES_LEFT_OUT}`),
      ...typosInEnvironment({ ...env, [WORKER_VARIABLE]: undefined, [LOG_FD_VARIABLE]: undefined }, names),
      ...(file?.ok ? typosIn(file.values, names) : []),
    ],
  }
}

const EDGES_LEFT_OUT = 'a byte order mark before the secret or line breaks behind it are left out'

/**
 * A secret without what the file that it was copied from had around it: a line break at its end, a byte order mark. Blanks
 * may be part of it. One that consists of nothing else is left as it is, and is refused: it was not meant to be none.
 */
function withoutEdges(secret: string | undefined): string | undefined {
  return secret?.replace(/^\uFEFF|[\r\n]+$/g, '') || secret
}

/** A variable that is set, and where. */
interface Found {
  readonly variable: Variable
  readonly source: ConfigSource
  /** As whoever set it knows it. */
  readonly name: string
  readonly text: string | undefined
  /** As it was given. */
  readonly raw: string | undefined
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
  const foreign = given.filter(({ variable }) => variable.commandOnly)
  const all = [
    ...unknown.map((key) => ({ name: key, expected: `is not an option${didYouMean(key, keys)}` })),
    ...foreign.map(({ name }) => ({
      name,
      expected: 'is for the command `lastcall`, which starts the processes itself',
    })),
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
    if (configSchema.shape[variable.key].safeParse(value).success) {
      values[variable.key] = value
      continue
    }
    broken.add(variable.key)
    const expected = variable.kind.problem?.(value) ?? mustBe(variable.kind)
    problems.push({ name, given: shown(variable, raw), expected })
  }
  const config = configSchema.parse(values)
  const name = (key: ConfigKey): string => {
    const variable = VARIABLES.find((each) => each.key === key)
    return variable ? nameOf(variable) : key
  }
  return { config, problems: [...problems, ...crossProblems(config, broken, name), ...tlsProblems(config, name)] }
}

function tlsProblems({ tlsCert, tlsKey }: Config, nameOf: (key: ConfigKey) => string): ConfigProblem[] {
  if (tlsCert === undefined || tlsKey === undefined) return []
  const files = readTlsFiles(tlsCert, tlsKey)
  if (!('of' in files)) return []
  const given = JSON.stringify(files.of === 'tlsCert' ? tlsCert : tlsKey)
  return [{ name: nameOf(files.of), given, expected: files.expected }]
}

interface Checked {
  /** Where something is wrong: the default. */
  readonly config: Config
  readonly problems: readonly ConfigProblem[]
}
