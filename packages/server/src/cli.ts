/**
 * The command `lastcall`: it reads the configuration and starts the server, checks the configuration, or prints a token.
 * bin/lastcall.js calls it. Exit codes follow sysexits.h: 64 for a command that does not exist or is incomplete, 78 for a
 * configuration that is not valid.
 */
import { isChannel, isClientId } from '@lastcall/protocol'
import { systemClock } from './clock.js'
import { configTable, flagsHelp } from './config/help.js'
import { duration, mustBe } from './config/kinds.js'
import { isWorker, loadConfig, type ConfigResult, type LoadedConfig } from './config/load-config.js'
import { didYouMean, formatProblem } from './config/problems.js'
import { VERSION } from './config/version.js'
import { IGNORE_SIGNALS, ProcessSignals, type TakeSignals } from './process-signals.js'

const EXIT_FAILURE = 1
const EXIT_USAGE = 64
const EXIT_CONFIG = 78

type Action = (argv: readonly string[], signals: ProcessSignals) => number | Promise<number>

const COMMANDS: Readonly<Record<string, Action>> = {
  serve,
  check,
  token,
}

const HELP = `lastcall ${VERSION}: a WebSocket server whose deploys nobody notices

Usage: lastcall [COMMAND] [FLAGS]

Commands:
  serve    start the server (default)
  check    check the configuration and print the result
  token    print a token signed with AUTH_SECRET:
           lastcall token --sub CLIENT_ID [--ttl 1h] [--channels a,b]

  --help, --version

Every flag is also an environment variable: --shutdown-timeout is SHUTDOWN_TIMEOUT. A flag takes
precedence over the environment, and the environment over the file of --env-file. Put secrets into
the environment or that file: other users of the machine can see flags.

On SIGHUP the server reads that file, the TLS files and the keys of tokens again. With --workers
it replaces all workers by new ones, which run the build and the configuration on the disk.

${flagsHelp()}`

/** Ends the process, or lets it end with an exit code. `argv`: the arguments after the name of the command. */
export async function run(argv: readonly string[], takeSignals: TakeSignals): Promise<void> {
  try {
    process.exitCode = await main(argv, new ProcessSignals(takeSignals))
  } catch (error) {
    process.exitCode = complain(EXIT_FAILURE, [error instanceof Error ? (error.stack ?? error.message) : String(error)])
  }
  // The channel to the primary would keep an idle worker alive.
  if (isWorker()) process.exit()
}

async function main(argv: readonly string[], signals: ProcessSignals): Promise<number> {
  const [first, ...rest] = argv
  const isServe = first === undefined || first.startsWith('-') || first === 'serve'
  if (!isServe) signals.endProcess()
  if (argv.includes('--help') || argv.includes('-h')) return print(HELP)
  if (argv.includes('--version') || argv.includes('-V')) return print(`${VERSION}\n`)
  if (first === undefined || first.startsWith('-')) return serve(argv, signals)
  const command = Object.hasOwn(COMMANDS, first) ? COMMANDS[first] : undefined
  if (command) return command(rest, signals)
  return complain(EXIT_USAGE, [
    `${first} is not a command${didYouMean(first, Object.keys(COMMANDS))}`,
    'See lastcall --help',
  ])
}

async function serve(argv: readonly string[], signals: ProcessSignals): Promise<number> {
  if (isWorker()) signals.passTo(IGNORE_SIGNALS)
  else signals.starting()
  const result = loadConfig({ argv })
  if (!result.ok) return refuse(result)
  // A library may still hold a handle open; the server has closed everything that matters.
  process.exit(await start(result, argv, signals))
}

/** Loads the server only where it serves: the other commands and a primary do not need it. */
async function start(loaded: LoadedConfig, argv: readonly string[], signals: ProcessSignals): Promise<number> {
  if (isWorker()) return (await import('./workers/worker.js')).runWorker(loaded, signals)
  if (loaded.config.workers !== undefined) return (await import('./workers/primary.js')).runPrimary(loaded, signals)
  return (await import('./serve.js')).runServer(loaded, { load: () => loadConfig({ argv }), signals })
}

function check(argv: readonly string[]): number {
  const result = loadConfig({ argv })
  if (!result.ok) return refuse(result)
  return complain(print(configTable(result.config, result.sources)), result.warnings)
}

const TTL = duration({ min: 1, max: 315_360_000, unit: 'seconds' })
const DEFAULT_TTL = '1h'

async function token(argv: readonly string[]): Promise<number> {
  const result = loadConfig({ argv, commandFlags: ['sub', 'ttl', 'channels'] })
  if (!result.ok) return refuse(result)
  const { authSecret, authIssuer, authAudience } = result.config
  const subject = result.commandFlags.get('sub')
  const ttl = TTL.schema.safeParse(TTL.fromText(result.commandFlags.get('ttl') ?? DEFAULT_TTL))
  const channels = result.commandFlags.get('channels')?.split(',') ?? []
  const badChannels = !channels.every(isChannel)
  if (!isClientId(subject) || !ttl.success || badChannels) {
    return complain(EXIT_USAGE, [
      ...(isClientId(subject) ? [] : ['--sub: must be a client id, 1 to 64 of a-z A-Z 0-9 _ -']),
      ...(ttl.success ? [] : [`--ttl: ${mustBe(TTL)}`]),
      ...(badChannels ? ['--channels: must be a list of names, each 1 to 64 of a-z A-Z 0-9 _ . : -'] : []),
    ])
  }
  if (authSecret === undefined) {
    return complain(EXIT_CONFIG, ['AUTH_SECRET: must be set, because it signs the token'])
  }
  const issuedAt = Math.floor(systemClock.now() / 1_000)
  const { SignJWT } = await import('jose')
  const jwt = new SignJWT({ ...(channels.length > 0 && { channels }) })
    .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
    .setSubject(subject)
    .setIssuedAt(issuedAt)
    .setExpirationTime(issuedAt + ttl.data)
  if (authIssuer !== undefined) jwt.setIssuer(authIssuer)
  if (authAudience !== undefined) jwt.setAudience(authAudience)
  return print(`${await jwt.sign(new TextEncoder().encode(authSecret))}\n`)
}

function print(text: string): number {
  process.stdout.write(text)
  return 0
}

function refuse({ problems }: Extract<ConfigResult, { ok: false }>): number {
  return complain(EXIT_CONFIG, problems.map(formatProblem))
}

function complain(exitCode: number, lines: readonly string[]): number {
  process.stderr.write(lines.map((line) => `lastcall: ${line}\n`).join(''))
  return exitCode
}
