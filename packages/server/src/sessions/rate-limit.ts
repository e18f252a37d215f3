/**
 * The rate limit: a token bucket per client. It outlives the connection, so that coming back is not a way around it.
 */

/** Whole numbers only: rounding would have who waited as told wait again. */
export interface TokenBucket {
  /** What may still be sent now: a message takes 60,000; a limit of one a minute brings 1 a millisecond. */
  tokens: number
  /** When that was so, by the monotonic clock. */
  atMs: number
}

/** The most buckets kept of clients that have gone; beyond that the oldest are forgotten. */
const MAX_KEPT_BUCKETS = 100_000

const MINUTE_MS = 60_000
const MESSAGE_TOKENS = MINUTE_MS

export class RateLimit {
  readonly #perMinute: number
  /** Buckets of clients that are not connected, oldest first. */
  readonly #kept = new Map<string, TokenBucket>()

  /** @param perMinute Messages per minute and client, all of which may come at once. 0: no limit. */
  constructor(perMinute: number) {
    this.#perMinute = perMinute
  }

  /** The bucket a client comes back to, or a full one. */
  open(clientId: string, nowMs: number): TokenBucket | undefined {
    if (this.#perMinute === 0) return undefined
    const kept = this.#kept.get(clientId)
    this.#kept.delete(clientId)
    return kept ?? { tokens: this.#capacity, atMs: Math.floor(nowMs) }
  }

  /** Keeps a leaving client's bucket until it would be full again. */
  keep(clientId: string, bucket: TokenBucket | undefined, nowMs: number): void {
    if (!bucket) return
    this.#refill(bucket, nowMs)
    if (bucket.tokens >= this.#capacity) return
    if (this.#kept.size >= MAX_KEPT_BUCKETS) this.#kept.delete(this.#kept.keys().next().value as string)
    this.#kept.set(clientId, bucket)
  }

  /** Takes one message: 0 when it may pass, else after how many milliseconds the next one may. */
  take(bucket: TokenBucket | undefined, nowMs: number): number {
    if (!bucket) return 0
    this.#refill(bucket, nowMs)
    if (bucket.tokens >= MESSAGE_TOKENS) {
      bucket.tokens -= MESSAGE_TOKENS
      return 0
    }
    return Math.ceil((MESSAGE_TOKENS - bucket.tokens) / this.#perMinute)
  }

  /** Forgets the buckets that are full again. */
  sweep(nowMs: number): void {
    for (const [clientId, { atMs }] of this.#kept) {
      if (nowMs - atMs < MINUTE_MS) break
      this.#kept.delete(clientId)
    }
  }

  get #capacity(): number {
    return this.#perMinute * MESSAGE_TOKENS
  }

  #refill(bucket: TokenBucket, nowMs: number): void {
    const wholeMs = Math.floor(nowMs)
    bucket.tokens = Math.min(this.#capacity, bucket.tokens + (wholeMs - bucket.atMs) * this.#perMinute)
    bucket.atMs = wholeMs
  }
}
