/**
 * The checks that concern several variables. The schema of a variable checks its value alone.
 */
import { problemOfRabbitUrl } from '../journal/rabbit/address.js'
import { isRedisUrl, parseRedisUrl } from '../journal/redis/redis-url.js'
import type { ConfigProblem } from './problems.js'
import type { Config, ConfigKey } from './schema.js'

interface CrossCheck {
  /** The problem names the first key. The check runs when the values of all keys are valid by themselves. */
  readonly keys: readonly [ConfigKey, ...ConfigKey[]]
  wrong(config: Config): boolean
  /** Receives the names of `keys` in the form that the operator used. */
  expected(...names: string[]): string
  /** Describes the fault of this configuration; replaces `expected`. It repeats no value, because a value may be secret. */
  detail?(config: Config): string | undefined
}

const AUTH_KEYS = ['authSecret', 'authPublicKey', 'authJwksUrl'] as const

const authKeys = (config: Config): number => AUTH_KEYS.filter((key) => config[key] !== undefined).length

/** A required claim without a key: the server would check no token, and the operator would believe that it does. */
const needsKey = (key: 'authIssuer' | 'authAudience'): CrossCheck => ({
  keys: [key, ...AUTH_KEYS],
  wrong: (config) => config[key] !== undefined && authKeys(config) === 0,
  expected: (_, ...keys) => `needs one of ${keys.join(', ')}: without a key the server checks no token`,
})

const redisProblem = ({ journalUrl }: Config): string | undefined => {
  const parsed = isRedisUrl(journalUrl) ? parseRedisUrl(journalUrl) : undefined
  return parsed?.ok === false ? parsed.problem : undefined
}

const journalProblem = (config: Config): string | undefined =>
  redisProblem(config) ?? problemOfRabbitUrl(config.journalUrl)

/** Instances on several machines must accept each other's sessions. */
/** Whether the journal is, or may be, on another machine. */
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
      `must be set, or ${auth}, and be the same on all instances: ${journal} is shared by several machines, and a client that reconnects to another instance must be able to prove there that it is the same client`,
  },
  {
    keys: ['workers', 'journalUrl'],
    wrong: (config) => config.workers !== undefined && config.journalUrl.startsWith('memory:'),
    expected: (_, journal = '') =>
      `needs a ${journal} that several processes can share, such as file:PATH or redis://HOST: other processes cannot read memory:`,
  },
  {
    keys: ['adminPort', 'port'],
    wrong: (config) => config.adminPort !== undefined && config.adminPort !== 0 && config.adminPort === config.port,
    expected: (_, port = '') => `must not be ${port}: it needs a port of its own`,
  },
  {
    keys: ['tlsCert', 'tlsKey'],
    wrong: (config) => config.tlsCert !== undefined && config.tlsKey === undefined,
    expected: (_, key = '') => `needs ${key}, too`,
  },
  {
    keys: ['tlsKey', 'tlsCert'],
    wrong: (config) => config.tlsKey !== undefined && config.tlsCert === undefined,
    expected: (_, cert = '') => `needs ${cert}, too`,
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
    expected: (_, history = '') =>
      `must not be more than ${history}: the server must be able to retain the largest message`,
  },
  {
    keys: ['shutdownDelaySeconds', 'shutdownTimeoutSeconds'],
    wrong: (config) => config.shutdownDelaySeconds > config.shutdownTimeoutSeconds,
    expected: (_, timeout = '') => `must not be more than ${timeout}, because it is a part of that time`,
  },
  {
    keys: ['shutdownSpreadSeconds', 'shutdownTimeoutSeconds'],
    wrong: (config) => (config.shutdownSpreadSeconds ?? 0) > config.shutdownTimeoutSeconds,
    expected: (_, timeout = '') => `must not be more than ${timeout}, because it is a part of that time`,
  },
]

/** @param broken The keys whose given value is not valid, so that `config` contains their default. */
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
