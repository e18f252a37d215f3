/**
 * Creates a `Config`: for the command from flags, environment and ENV_FILE, in this order of precedence; for the library from
 * options. Only this file reads process.env. It reports all problems at once.
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
      /** The source of each value. */
      readonly sources: Readonly<Record<ConfigKey, ConfigSource>>
      /** The given values of `commandFlags`. */
      readonly commandFlags: ReadonlyMap<string, string>
      /** Warnings, which do not prevent the start. */
      readonly warnings: readonly string[]
    }
  | { readonly ok: false; readonly problems: readonly ConfigProblem[] }

/** The primary sets this variable in the environment of its workers. */
export const WORKER_VARIABLE = 'LASTCALL_WORKER'

/** The primary sets this variable, too, when the descriptor of the log is not that of standard output. */
export const LOG_FD_VARIABLE = 'LASTCALL_LOG_FD'

/** Whether a primary started this process as one of its workers. */
export const isWorker = (): boolean => process.env[WORKER_VARIABLE] !== undefined && process.send !== undefined

export type LoadedConfig = Extract<ConfigResult, { ok: true }>

/**
 * Removes variables from the environment that the parent process addresses to this process alone, such as NOTIFY_SOCKET, and
 * returns them: a child process that inherited them would use them as its own.
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
  /** Default: process.env. An empty text counts as absent. */
  readonly env?: Readonly<Record<string, string | undefined>>
  /** The arguments after the command. Flags take precedence over the environment. Default: none. */
  readonly argv?: readonly string[]
  /** Flags of the command besides those of the variables, without dashes. */
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
    // An empty text counts as absent.
    return places
      .map(({ text, ...place }) => ({
        ...place,
        variable,
        text: kind.secret ? withoutEdges(text) : text?.trim(),
        raw: text,
      }))
      .find(({ text }) => text)
  }
  // The file itself cannot contain its own path.
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

const EDGES_LEFT_OUT = 'the server ignores a byte order mark before the secret and line breaks after it'

/**
 * A secret without the surroundings that it had in a file: a line break at its end, a byte order mark. Blanks may be part of
 * it. A secret that consists of nothing else is unchanged, so that the schema rejects it: the operator did not mean "none".
 */
function withoutEdges(secret: string | undefined): string | undefined {
  return secret?.replace(/^\uFEFF|[\r\n]+$/g, '') || secret
}

/** A variable with a value, and the source of the value. */
interface Found {
  readonly variable: Variable
  readonly source: ConfigSource
  /** The name in the form of its source: `PORT`, `--port`, or `PORT in ENV_FILE`. */
  readonly name: string
  readonly text: string | undefined
  /** The given text. */
  readonly raw: string | undefined
}

/**
 * The configuration for use as a library: the defaults, with these options in place of some of them.
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
  /** The name in the form of its source. */
  readonly name: string
  /** The given value. */
  readonly raw: unknown
  /** The parsed value. */
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
  /** The values; the default where the given one is not valid. */
  readonly config: Config
  readonly problems: readonly ConfigProblem[]
}
