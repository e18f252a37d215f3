/**
 * The public keys that an issuer publishes (JWKS, RFC 7517): fetched once for all tokens that wait, bounded in size and
 * time, and kept in use while a later fetch fails. "The keys could not be fetched" is an error of its own, never "the
 * token is not valid".
 */
import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose'
import type { Clock } from '../clock.js'

/** The keys cannot be had now: whether the token is valid is not known. */
export class KeysUnavailable extends Error {
  constructor(cause: unknown) {
    super('the keys of AUTH_JWKS_URL cannot be fetched', { cause })
    this.name = 'KeysUnavailable'
  }
}

export interface RemoteKeysObserver {
  /** A fetch failed. @param isFirst The fetch before it did not. */
  onFailed(error: unknown, isFirst: boolean): void
  /** A fetch succeeded after one that failed. */
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

/** Older keys are fetched anew when a token comes: an issuer that has withdrawn a key is obeyed after this time. */
const MAX_AGE_MS = 600_000

/** Tokens with unknown keys, which anybody can make, cause no more than one fetch in this time. */
const MIN_INTERVAL_MS = 2000

/** After a failure the next fetch begins earlier: the tokens that wait are valid, more likely than not. */
const RETRY_AFTER_MS = 1000

export class RemoteKeys {
  readonly #url: string
  readonly #clock: Clock
  readonly #observer: RemoteKeysObserver
  /** The last good ones, and when their fetch began. */
  #keys: JWTVerifyGetKey | undefined
  #keysAtMs = -Infinity
  #running: Promise<void> | undefined
  /** A fetch that has not begun, because it is too early. */
  #next: Promise<void> | undefined
  #startedAtMs = -Infinity
  /** Of the last fetch, if it failed. */
  #failure: KeysUnavailable | undefined

  constructor({ url, clock, observer }: RemoteKeysOptions) {
    this.#url = url
    this.#clock = clock
    this.#observer = observer
  }

  /**
   * Finds the key of a token. Keys that were fetched before may lack one that the issuer has begun to use: only keys that
   * were fetched after the token came decide that there is none.
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
    // While the issuer does not answer, nobody waits for it: the last good keys are used.
    else if (this.#failure) fetching.catch(ignore)
    else await fetching.catch(ignore)
    return this.#orThrow()
  }

  #orThrow(): JWTVerifyGetKey {
    if (this.#keys) return this.#keys
    throw this.#failure ?? new KeysUnavailable(undefined)
  }

  /** A fetch that begins after this, at once or when it is allowed, for all that wait for one. */
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

/** One without a key cannot check anything: an issuer in the middle of a change, more likely than one that has given up. */
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
  // The observer has been told; the keys that there are go on being used.
}
