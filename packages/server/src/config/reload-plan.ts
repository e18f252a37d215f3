/**
 * What a running process can take over from a configuration that was read again, and what it can't. Pure.
 */
import { isDeepStrictEqual } from 'node:util'
import { VARIABLES, type Config, type ConfigKey } from './schema.js'

export interface ReloadPlan {
  /** What is in force afterwards. */
  readonly config: Config
  /** The variables whose files or keys are read again. */
  readonly renewed: readonly string[]
  /** The variables that have changed and need a restart. */
  readonly needRestart: readonly string[]
}

const TLS_KEYS: readonly ConfigKey[] = ['tlsCert', 'tlsKey']
const AUTH_KEYS: readonly ConfigKey[] = ['authSecret', 'authPublicKey', 'authJwksUrl', 'authIssuer', 'authAudience']

const isSet = (config: Config, keys: readonly ConfigKey[]): boolean => keys.some((key) => config[key] !== undefined)

/** A claim without a key is refused, so any of them will do. */
export const asksForToken = (config: Config): boolean => isSet(config, AUTH_KEYS)

export function planReload(current: Config, next: Config): ReloadPlan {
  // Whoever speaks TLS on a port can't stop speaking it, nor begin.
  const tls = isSet(current, TLS_KEYS) && isSet(next, TLS_KEYS) ? TLS_KEYS : []
  // A line that was lost from a file must not open the door to everybody: that takes a restart.
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
