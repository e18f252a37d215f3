/**
 * The public keys that an issuer publishes (JWKS, RFC 7517). One fetch serves all waiting tokens and is bounded in size
 * and time; the last good keys stay in use when a later fetch fails. A failed fetch is an error of its own and never
 * means that a token is not valid.
 */
import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose'
import type { Clock } from '../clock.js'

/** The keys are not available, so the server does not know whether the token is valid. */
export class KeysUnavailable extends Error {
  constructor(cause: unknown) {
    super('the server cannot fetch the keys of AUTH_JWKS_URL', { cause })
    this.name = 'KeysUnavailable'
  }
}

export interface RemoteKeysObserver {
  /**
   * A fetch failed.
   * @param isFirst Whether the fetch before it succeeded.
   */
  onFailed(error: unknown, isFirst: boolean): void
  /** A fetch succeeded after a failed one. */
  onRecovered(): void
}

export interface RemoteKeysContext {
  readonly clock: Clock
  readonly observer: RemoteKeysObserver
}

interface RemoteKeysOptions extends RemoteKeysContext {
  readonly url: string
}

const FETCH_TIMEOUT_MS = 5000
const MAX_BYTES = 1024 ** 2

/**
 * The age at which the next token causes a new fetch. A key that the issuer has withdrawn is rejected after this time.
 */
const MAX_AGE_MS = 600_000

/**
 * The least time between two fetches. Anyone can make tokens with unknown keys, and these must not flood the issuer.
 */
const MIN_INTERVAL_MS = 2000

/**
 * The least time between a failed fetch and the next one. It is shorter, because most waiting tokens are probably
 * valid.
 */
const RETRY_AFTER_MS = 1000

export class RemoteKeys {
  readonly #url: string
  readonly #clock: Clock
  readonly #observer: RemoteKeysObserver
  /** The last good keys, and when their fetch began. */
  #keys: JWTVerifyGetKey | undefined
  #keysAtMs = -Infinity
  #running: Promise<void> | undefined
  /** A fetch that has not begun, because its time has not come. */
  #next: Promise<void> | undefined
  #startedAtMs = -Infinity
  /** The error of the last fetch, if it failed. */
  #failure: KeysUnavailable | undefined

  constructor({ url, clock, observer }: RemoteKeysOptions) {
    this.#url = url
    this.#clock = clock
    this.#observer = observer
  }

  /**
   * Finds the key of a token. The issuer may have begun to use a key after the last fetch, so only a fetch that begins
   * after the token has arrived can decide that there is no such key.
   *
   * @throws {KeysUnavailable}
   * @throws {errors.JWKSNoMatchingKey} The issuer publishes no such key.
   */
  readonly find: JWTVerifyGetKey = async (header, token) => {
    const keys = await this.#current()
    try {
      return await keys(header, token)
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error
    }
    await this.#fetchAgain()
    return this.#orThrow()(header, token)
  }

  async #current(): Promise<JWTVerifyGetKey> {
    const isOld = this.#clock.monotonic() - this.#keysAtMs > MAX_AGE_MS
    if (this.#keys && !isOld) return this.#keys
    const fetching = this.#running ?? this.#fetchAgain()
    if (!this.#keys) await fetching
    // While the issuer does not answer, tokens do not wait for it: the last good keys decide.
    else if (this.#failure) fetching.catch(ignore)
    else await fetching.catch(ignore)
    return this.#orThrow()
  }

  #orThrow(): JWTVerifyGetKey {
    if (this.#keys) return this.#keys
    throw this.#failure ?? new KeysUnavailable(undefined)
  }

  /** Begins a fetch now, or as soon as `MIN_INTERVAL_MS` allows. All tokens that wait share it. */
  #fetchAgain(): Promise<void> {
    this.#next ??= this.#whenAllowed().then(() => {
      this.#next = undefined
      return this.#fetch()
    })
    return this.#next
  }

  async #whenAllowed(): Promise<void> {
    await this.#running?.catch(ignore)
    const intervalMs = this.#failure ? RETRY_AFTER_MS : MIN_INTERVAL_MS
    const waitMs = this.#startedAtMs + intervalMs - this.#clock.monotonic()
    if (waitMs > 0) await new Promise<void>((resolve) => this.#clock.after(waitMs, resolve))
  }

  #fetch(): Promise<void> {
    this.#running ??= this.#fetchOnce().finally(() => (this.#running = undefined))
    return this.#running
  }

  async #fetchOnce(): Promise<void> {
    const startedAtMs = this.#clock.monotonic()
    this.#startedAtMs = startedAtMs
    try {
      this.#keys = createLocalJWKSet(await fetchKeySet(this.#url, this.#clock))
      this.#keysAtMs = startedAtMs
    } catch (cause) {
      const isFirst = this.#failure === undefined
      this.#failure = new KeysUnavailable(cause)
      this.#observer.onFailed(cause, isFirst)
      throw this.#failure
    }
    if (this.#failure) {
      this.#failure = undefined
      this.#observer.onRecovered()
    }
  }
}

async function fetchKeySet(url: string, clock: Clock): Promise<JSONWebKeySet> {
  const controller = new AbortController()
  const cancelTimeout = clock.after(FETCH_TIMEOUT_MS, () =>
    controller.abort(new Error(`no complete answer within ${String(FETCH_TIMEOUT_MS)} ms`)),
  )
  try {
    const answer = await fetch(url, {
      headers: { accept: 'application/jwk-set+json, application/json' },
      redirect: 'manual',
      signal: controller.signal,
    })
    if (answer.status !== 200) {
      await answer.body?.cancel()
      throw new Error(`the answer has the status ${String(answer.status)}`)
    }
    const keySet: unknown = JSON.parse(await readBounded(answer))
    if (!isKeySet(keySet)) throw new Error('the answer is not a set of keys (RFC 7517 section 5)')
    return keySet
  } finally {
    cancelTimeout()
    controller.abort()
  }
}

async function readBounded({ body }: Response): Promise<string> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  const stream: AsyncIterable<Uint8Array> | undefined = body ?? undefined
  if (!stream) return ''
  for await (const chunk of stream) {
    bytes += chunk.byteLength
    if (bytes > MAX_BYTES) throw new Error(`the answer is larger than ${String(MAX_BYTES)} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}

/**
 * An empty set of keys is treated as a failed fetch: an issuer that changes its keys is more probable than one that has
 * withdrawn all of them.
 */
function isKeySet(value: unknown): value is JSONWebKeySet {
  return (
    typeof value === 'object' &&
    value !== null &&
    'keys' in value &&
    Array.isArray(value.keys) &&
    value.keys.length > 0 &&
    value.keys.every((key: unknown) => typeof key === 'object' && key !== null && 'kty' in key)
  )
}

function ignore(): void {
  // `onFailed` has reported the failure, and the last good keys stay in use.
}
