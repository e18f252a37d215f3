/**
 * Verifies the tokens of clients (JWT, RFC 7519, with `jose`) and reads their claims. The server loads this file with
 * the first token, because the library takes long to load.
 */
import { createPublicKey, type KeyObject } from 'node:crypto'
import { errors, jwtVerify, type CryptoKey, type JWTPayload, type JWTVerifyOptions } from 'jose'
import { KeysUnavailable, RemoteKeys, type RemoteKeysContext } from './remote-keys.js'

/** The claims of a valid token. */
export interface TokenClaims {
  /** The clientId for which the token is valid; `undefined`: any. */
  readonly subject: string | undefined
  /**
   * When the token expires: milliseconds since 1970, including the tolerance for the issuer's clock. `Infinity`: never.
   */
  readonly expiresAtMs: number
  /** The patterns of the channels that the token allows, from the claim `channels`; `undefined`: all channels. */
  readonly channels: readonly string[] | undefined
}

/** Checks a token. `undefined`: the token is not valid. `unavailable`: the token could not be checked. */
export type TokenVerifier = (token: string) => Promise<TokenClaims | 'unavailable' | undefined>

export interface AuthenticationOptions {
  /** The shared secret for HS256. */
  readonly authSecret?: string | undefined
  /** A public key as PEM: RSA, EC or Ed25519. */
  readonly authPublicKey?: string | undefined
  /** The URL where the issuer publishes its keys (RFC 7517). */
  readonly authJwksUrl?: string | undefined
  readonly authIssuer?: string | undefined
  readonly authAudience?: string | undefined
  /** The tolerated difference of the issuer's clock, in seconds. Default: 0. */
  readonly jwtClockToleranceSeconds?: number
}

/**
 * The server rejects longer tokens without verifying them. Node bounds the header and the query; this bounds the cost
 * of the verification.
 */
const MAX_TOKEN_LENGTH = 8192

/** The verifier for the configured key. `undefined`: no key is configured, and the server asks for no token. */
export function createTokenVerifier(
  options: AuthenticationOptions,
  context: RemoteKeysContext,
): TokenVerifier | undefined {
  const verify = keyed(options, context)
  if (!verify) return undefined
  return async (token) => {
    if (token.length > MAX_TOKEN_LENGTH) return undefined
    try {
      return readClaims(await verify(token), options.jwtClockToleranceSeconds ?? 0)
    } catch (error) {
      if (error instanceof KeysUnavailable) return 'unavailable'
      if (error instanceof errors.JOSEError) return undefined
      throw error
    }
  }
}

function keyed(
  options: AuthenticationOptions,
  context: RemoteKeysContext,
): ((token: string) => Promise<JWTPayload>) | undefined {
  const { authSecret, authPublicKey, authJwksUrl, authIssuer, authAudience, jwtClockToleranceSeconds = 0 } = options
  const checks: JWTVerifyOptions = {
    clockTolerance: jwtClockToleranceSeconds,
    ...(authIssuer !== undefined && { issuer: authIssuer }),
    ...(authAudience !== undefined && { audience: authAudience }),
  }
  if (authSecret !== undefined) {
    const key = new TextEncoder().encode(authSecret)
    return async (token) => (await jwtVerify(token, key, { ...checks, algorithms: ['HS256'] })).payload
  }
  if (authPublicKey !== undefined) {
    const key = createPublicKey(authPublicKey)
    const algorithms = algorithmsOf(key)
    return async (token) => (await jwtVerify(token, key, { ...checks, algorithms })).payload
  }
  if (authJwksUrl !== undefined) {
    const keys = new RemoteKeys({ ...context, url: authJwksUrl })
    // Only asymmetric algorithms are allowed: with HS256 an attacker could sign a token with the public key as the
    // shared secret.
    const algorithms = [...RSA_ALGORITHMS, ...EC_ALGORITHMS, ...ED_ALGORITHMS]
    return (token) => verifyWithAny(token, keys, { ...checks, algorithms })
  }
  return undefined
}

/**
 * Verifies a token that may have no `kid`. Such a token may be signed with any published key of its kind; there are two
 * of them while the issuer rotates its keys.
 */
async function verifyWithAny(token: string, keys: RemoteKeys, options: JWTVerifyOptions): Promise<JWTPayload> {
  try {
    return (await jwtVerify(token, keys.find, options)).payload
  } catch (error) {
    if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error
    for await (const key of error as AsyncIterable<CryptoKey>) {
      try {
        return (await jwtVerify(token, key, options)).payload
      } catch (failure) {
        if (!(failure instanceof errors.JWSSignatureVerificationFailed)) throw failure
      }
    }
    throw new errors.JWSSignatureVerificationFailed()
  }
}

const PSS_ALGORITHMS = ['PS256', 'PS384', 'PS512']
const RSA_ALGORITHMS = ['RS256', 'RS384', 'RS512', ...PSS_ALGORITHMS]
const EC_ALGORITHM_OF: Readonly<Record<string, string>> = {
  prime256v1: 'ES256',
  secp384r1: 'ES384',
  secp521r1: 'ES512',
}
const EC_ALGORITHMS = Object.values(EC_ALGORITHM_OF)
const ED_ALGORITHMS = ['EdDSA', 'Ed25519']

/** The algorithms that fit the key. A token that names another one is not valid, and is no error of the server. */
function algorithmsOf(key: KeyObject): string[] {
  switch (key.asymmetricKeyType) {
    case 'rsa':
      return RSA_ALGORITHMS
    case 'rsa-pss':
      return PSS_ALGORITHMS
    case 'ec':
      return EC_ALGORITHMS.filter((name) => name === EC_ALGORITHM_OF[key.asymmetricKeyDetails?.namedCurve ?? ''])
    default:
      return ED_ALGORITHMS
  }
}

function readClaims(payload: JWTPayload, toleranceSeconds: number): TokenClaims | undefined {
  const channels = payload['channels']
  if (channels !== undefined && !isStrings(channels)) return undefined
  return {
    subject: payload.sub,
    expiresAtMs: payload.exp === undefined ? Infinity : (payload.exp + toleranceSeconds) * 1000,
    channels,
  }
}

const isStrings = (value: unknown): value is string[] =>
  Array.isArray(value) && value.every((item) => typeof item === 'string')
