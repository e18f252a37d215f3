/**
 * Which changes of a newly read configuration a running process can apply, and which need a restart. Pure.
 */
import { isDeepStrictEqual } from 'node:util'
import { VARIABLES, type Config, type ConfigKey } from './schema.js'

export interface ReloadPlan {
  /** The configuration after the reload. */
  readonly config: Config
  /** The variables whose files or keys the server reads again. */
  readonly renewed: readonly string[]
  /** The variables that have changed and need a restart. */
  readonly needRestart: readonly string[]
}

const TLS_KEYS: readonly ConfigKey[] = ['tlsCert', 'tlsKey']
const AUTH_KEYS: readonly ConfigKey[] = ['authSecret', 'authPublicKey', 'authJwksUrl', 'authIssuer', 'authAudience']

const isSet = (config: Config, keys: readonly ConfigKey[]): boolean => keys.some((key) => config[key] !== undefined)

/** Any of them turns authentication on: the configuration check rejects a claim without a key. */
export const asksForToken = (config: Config): boolean => isSet(config, AUTH_KEYS)

export function planReload(current: Config, next: Config): ReloadPlan {
  // A listening port can change its certificate, but cannot start or stop TLS.
  const tls = isSet(current, TLS_KEYS) && isSet(next, TLS_KEYS) ? TLS_KEYS : []
  // Authentication can be turned off only by a restart: a line that is missing from a file must not admit every client.
  const auth = asksForToken(next) ? AUTH_KEYS : []
  const renewable = [...tls, ...auth]
  const names = (fits: (key: ConfigKey) => boolean): string[] =>
    VARIABLES.filter(({ key }) => fits(key)).map(({ name }) => name)
  return {
    config: { ...current, ...Object.fromEntries(renewable.map((key) => [key, next[key]])) },
    renewed: names((key) => renewable.includes(key) && next[key] !== undefined),
    needRestart: names((key) => !renewable.includes(key) && !isDeepStrictEqual(current[key], next[key])),
  }
}
