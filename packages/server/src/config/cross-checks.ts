/**
 * What variables must be to each other. Each variable alone is checked by its schema.
 */
import { problemOfRabbitUrl } from '../journal/rabbit/address.js'
import { isRedisUrl, parseRedisUrl } from '../journal/redis/redis-url.js'
import type { ConfigProblem } from './problems.js'
import type { Config, ConfigKey } from './schema.js'

interface CrossCheck {
  /** The problem is said of the first; the check is made when all of these are valid by themselves. */
  readonly keys: readonly [ConfigKey, ...ConfigKey[]]
  wrong(config: Config): boolean
  /** Gets the names of `keys`, as the reader knows them. */
  expected(...names: string[]): string
  /** What is wrong in this configuration, instead of `expected`. Repeats no value: it may be secret. */
  detail?(config: Config): string | undefined
}

const AUTH_KEYS = ['authSecret', 'authPublicKey', 'authJwksUrl'] as const

const authKeys = (config: Config): number => AUTH_KEYS.filter((key) => config[key] !== undefined).length

/** A claim that is to be checked while nobody is asked for a token: somebody believes to be protected who is not. */
const needsKey = (key: 'authIssuer' | 'authAudience'): CrossCheck => ({
  keys: [key, ...AUTH_KEYS],
  wrong: (config) => config[key] !== undefined && authKeys(config) === 0,
  expected: (_, ...keys) => `needs one of ${keys.join(', ')}: without a key no token is asked for`,
})

const redisProblem = ({ journalUrl }: Config): string | undefined => {
  const parsed = isRedisUrl(journalUrl) ? parseRedisUrl(journalUrl) : undefined
  return parsed?.ok === false ? parsed.problem : undefined
}

const journalProblem = (config: Config): string | undefined =>
  redisProblem(config) ?? problemOfRabbitUrl(config.journalUrl)

/** Instances on several machines: what one of them has signed, the others must accept. */
/** Whether the journal is on another machine, or may be. */
export const isRemote = ({ journalUrl }: Config): boolean => /^(redis|amqp)/i.test(journalUrl)

const CHECKS: readonly CrossCheck[] = [
  {
    keys: ['journalUrl'],
    wrong: (config) => journalProblem(config) !== undefined,
    expected: () =>
      'must be redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE] or amqp://[USER:PASSWORD@]HOST[:PORT][/VHOST]',
    detail: journalProblem,
  },
  {
    keys: ['sessionSecret', 'authSecret', 'journalUrl'],
    wrong: (config) => isRemote(config) && config.sessionSecret === undefined && config.authSecret === undefined,
    expected: (_, auth = '', journal = '') =>
      `must be set, or ${auth}, and be the same on all instances: ${journal} is shared by several machines, and a client that reconnects to another instance must be able to prove there who it is`,
  },
  {
    keys: ['workers', 'journalUrl'],
    wrong: (config) => config.workers !== undefined && config.journalUrl.startsWith('memory:'),
    expected: (_, journal = '') =>
      `needs a ${journal} that several processes can share, such as file:PATH or redis://HOST; what is in memory:, the others do not see`,
  },
  {
    keys: ['adminPort', 'port'],
    wrong: (config) => config.adminPort !== undefined && config.adminPort !== 0 && config.adminPort === config.port,
    expected: (_, port = '') => `must not be ${port}: it is for a port of its own`,
  },
  {
    keys: ['tlsCert', 'tlsKey'],
    wrong: (config) => config.tlsCert !== undefined && config.tlsKey === undefined,
    expected: (_, key = '') => `needs ${key} beside it`,
  },
  {
    keys: ['tlsKey', 'tlsCert'],
    wrong: (config) => config.tlsKey !== undefined && config.tlsCert === undefined,
    expected: (_, cert = '') => `needs ${cert} beside it`,
  },
  {
    keys: AUTH_KEYS,
    wrong: (config) => authKeys(config) > 1,
    expected: (...names) => `only one of ${names.join(', ')} may be set`,
  },
  needsKey('authIssuer'),
  needsKey('authAudience'),
  {
    keys: ['maxPayloadBytes', 'historyBytes'],
    wrong: (config) => config.maxPayloadBytes > config.historyBytes,
    expected: (_, history = '') => `must not be more than ${history}: a message that cannot be kept cannot be sent`,
  },
  {
    keys: ['shutdownDelaySeconds', 'shutdownTimeoutSeconds'],
    wrong: (config) => config.shutdownDelaySeconds > config.shutdownTimeoutSeconds,
    expected: (_, timeout = '') => `must not be more than ${timeout}, of which it is a part`,
  },
  {
    keys: ['shutdownSpreadSeconds', 'shutdownTimeoutSeconds'],
    wrong: (config) => (config.shutdownSpreadSeconds ?? 0) > config.shutdownTimeoutSeconds,
    expected: (_, timeout = '') => `must not be more than ${timeout}, of which it is a part`,
  },
]

/** `broken` are the keys whose value in `config` is only the default, because what was given is not valid. */
export function crossProblems(
  config: Config,
  broken: ReadonlySet<ConfigKey>,
  nameOf: (key: ConfigKey) => string,
): ConfigProblem[] {
  return CHECKS.filter((check) => !check.keys.some((key) => broken.has(key)) && check.wrong(config)).map((check) => ({
    name: nameOf(check.keys[0]),
    expected: check.detail?.(config) ?? check.expected(...check.keys.map(nameOf)),
  }))
}
