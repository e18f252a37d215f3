/**
 * Who somebody is: what a token says (JWT, RFC 7519, by `jose`), and the session with which a client proves that it is
 * the one that was here before.
 */
import { createPublicKey, hash, randomBytes, timingSafeEqual, type KeyObject } from 'node:crypto'
import { errors, jwtVerify, type CryptoKey, type JWTPayload, type JWTVerifyOptions } from 'jose'
import { KeysUnavailable, RemoteKeys, type RemoteKeysContext } from './remote-keys.js'

/** What a valid token says. */
export interface TokenClaims {
  /** The clientId it is for; `undefined`: any. */
  readonly subject: string | undefined
  /** Milliseconds since 1970, the tolerance for the issuer's clock included; `Infinity` when it does not end. */
  readonly expiresAtMs: number
  /** Patterns of the channels it allows, from the claim `channels`; `undefined`: all. */
  readonly channels: readonly string[] | undefined
}

/** Checks a token. `undefined`: it is not valid. `unavailable`: it could not be checked. */
export type TokenVerifier = (token: string) => Promise<TokenClaims | 'unavailable' | undefined>

export interface AuthenticationOptions {
  /** The shared secret of HS256. */
  readonly authSecret?: string | undefined
  /** A public key as PEM: RSA, EC or Ed25519. */
  readonly authPublicKey?: string | undefined
  /** Where the issuer publishes its keys (RFC 7517). */
  readonly authJwksUrl?: string | undefined
  readonly authIssuer?: string | undefined
  readonly authAudience?: string | undefined
  /** By how much the issuer's clock may differ. Default: 0. */
  readonly jwtClockToleranceSeconds?: number
}

/** Longer tokens are not looked at: header and query are bounded by Node, this bounds the work. */
const MAX_TOKEN_LENGTH = 8192

/** The verifier for what is configured; `undefined`: the server is open. */
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
    // Asymmetric only: a published key must never be taken for a shared secret.
    const algorithms = [...RSA_ALGORITHMS, ...EC_ALGORITHMS, ...ED_ALGORITHMS]
    return (token) => verifyWithAny(token, keys, { ...checks, algorithms })
  }
  return undefined
}

/** A token without a `kid` may be signed by any of the published keys of its kind, two of them while the issuer rotates. */
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

/** Exactly those that fit the key: a token that names another is not valid, not an error of ours. */
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

/** Whether one of these patterns names the channel: `*` stands for any characters, everything else for itself. */
export function allowsChannel(patterns: readonly string[] | undefined, channel: string): boolean {
  return patterns === undefined || patterns.some((pattern) => matches(pattern.split('*'), channel))
}

/** Without a regular expression: a pattern comes from outside and must not be able to take long. */
function matches(literals: readonly string[], text: string): boolean {
  const first = literals[0] as string
  if (literals.length === 1) return text === first
  const last = literals[literals.length - 1] as string
  if (!text.startsWith(first) || !text.endsWith(last) || text.length < first.length + last.length) return false
  let position = first.length
  for (const literal of literals.slice(1, -1)) {
    const found = text.indexOf(literal, position)
    if (found < 0) return false
    position = found + literal.length
  }
  return position <= text.length - last.length
}

/**
 * Sessions: `ID.MAC`. The id is that of the client's first connection and stays the same as long as it returns with it; the MAC
 * (HMAC-SHA256 with SESSION_SECRET) ties it to the clientId, so that every instance can check it.
 */
export class Sessions {
  readonly #innerKey: Buffer
  readonly #outerKey: Buffer

  /** @param secret The same on all instances; default: random, so that sessions end with this process. */
  constructor(secret: string | undefined) {
    const key = Buffer.alloc(HMAC_BLOCK_BYTES)
    hash('sha256', secret ?? randomBytes(32), 'buffer').copy(key)
    this.#innerKey = key.map((byte) => byte ^ 0x36) as Buffer
    this.#outerKey = key.map((byte) => byte ^ 0x5c) as Buffer
  }

  /** A new session for this client; the id of its first connection is the session's too. */
  issue(clientId: string, id: string): string {
    return `${id}.${this.#mac(clientId, id)}`
  }

  /** Whether this server, or one with the same secret, issued it for this client. */
  isValid(session: string, clientId: string): boolean {
    const [id = '', mac = '', ...rest] = session.split('.')
    return rest.length === 0 && equal(mac, this.#mac(clientId, id))
  }

  /**
   * HMAC (RFC 2104) as two one-shot hashes: `createHmac` makes an object that the garbage collector has to finalise, which
   * costs more than all else that admission does (17 µs of a handshake's 180).
   */
  #mac(clientId: string, id: string): string {
    const inner = hash('sha256', Buffer.concat([this.#innerKey, Buffer.from(`${clientId}.${id}`)]), 'buffer')
    return hash('sha256', Buffer.concat([this.#outerKey, inner]), 'base64url').slice(0, MAC_LENGTH)
  }
}

/** Of SHA-256 (RFC 2104 section 2). */
const HMAC_BLOCK_BYTES = 64

/** Characters of base64url: 132 bits. */
const MAC_LENGTH = 22

/** Compares secrets in a time that tells nothing of them. */
export function equal(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)]
  return left.length === right.length && timingSafeEqual(left, right)
}
