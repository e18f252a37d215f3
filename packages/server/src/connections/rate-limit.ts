/**
 * The rate limit: a token bucket per client. It outlives the connection, so that coming back is not a way around it.
 */

export interface TokenBucket {
  /** Messages that may still be sent now; may be a fraction. */
  tokens: number
  /** When `tokens` was true, by the monotonic clock. */
  atMs: number
}

/** The most buckets kept of clients that have gone; beyond that the oldest are forgotten. */
const MAX_KEPT_BUCKETS = 100_000

const MINUTE_MS = 60_000

/** So much may be missing of a token: fractions of milliseconds are rounded, and who has waited as told is to pass. */
const ROUNDING = 1e-6

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
    return kept ?? { tokens: this.#perMinute, atMs: nowMs }
  }

  /** Keeps a leaving client's bucket until it would be full again. */
  keep(clientId: string, bucket: TokenBucket | undefined, nowMs: number): void {
    if (!bucket) return
    this.#refill(bucket, nowMs)
    if (bucket.tokens >= this.#perMinute) return
    if (this.#kept.size >= MAX_KEPT_BUCKETS) this.#kept.delete(this.#kept.keys().next().value as string)
    this.#kept.set(clientId, bucket)
  }

  /** Takes one message: 0 when it may pass, else after how many milliseconds the next one may. */
  take(bucket: TokenBucket | undefined, nowMs: number): number {
    if (!bucket) return 0
    this.#refill(bucket, nowMs)
    if (bucket.tokens >= 1 - ROUNDING) {
      bucket.tokens -= 1
      return 0
    }
    return Math.ceil(((1 - bucket.tokens) * MINUTE_MS) / this.#perMinute)
  }

  /** Forgets the buckets that are full again. */
  sweep(nowMs: number): void {
    for (const [clientId, { atMs }] of this.#kept) {
      if (nowMs - atMs < MINUTE_MS) break
      this.#kept.delete(clientId)
    }
  }

  #refill(bucket: TokenBucket, nowMs: number): void {
    const gained = ((nowMs - bucket.atMs) * this.#perMinute) / MINUTE_MS
    bucket.tokens = Math.min(this.#perMinute, bucket.tokens + gained)
    bucket.atMs = nowMs
  }
}
