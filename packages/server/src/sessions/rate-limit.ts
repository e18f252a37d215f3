/**
 * The arithmetic of a rate limit: a token bucket that is full at first and refills evenly. client-budgets.ts decides
 * which buckets a client has and what takes from them.
 */

/**
 * The fields are integers. With fractions, rounding could refuse a client that waited exactly as long as the server
 * asked for.
 */
export interface TokenBucket {
  /**
   * The tokens that may still be taken. One unit is 60,000 tokens; a limit of one unit per minute adds 1 token per
   * millisecond.
   */
  tokens: number
  /** The time at which `tokens` was right, by the monotonic clock. */
  atMs: number
}

const MINUTE_MS = 60_000
const UNIT_TOKENS = MINUTE_MS

export class RateLimit {
  readonly #perMinute: number
  readonly #capacity: number

  /**
   * @param perMinute Units per minute. 0: no limit.
   * @param burst Units that may be taken at once. Default: `perMinute`.
   */
  constructor(perMinute: number, burst = perMinute) {
    this.#perMinute = perMinute
    this.#capacity = burst * UNIT_TOKENS
  }

  get isUnlimited(): boolean {
    return this.#perMinute === 0
  }

  open(nowMs: number): TokenBucket {
    return { tokens: this.#capacity, atMs: Math.floor(nowMs) }
  }

  /**
   * Takes these units if the bucket has them, and returns 0. Otherwise it returns the milliseconds until the bucket has
   * them. More units than the burst count as the burst.
   */
  take(bucket: TokenBucket, nowMs: number, units = 1): number {
    const waitMs = this.waitMs(bucket, nowMs, units)
    if (waitMs === 0) this.#spend(bucket, units)
    return waitMs
  }

  /** The milliseconds until these units can be taken; 0: now. */
  waitMs(bucket: TokenBucket, nowMs: number, units = 1): number {
    if (this.isUnlimited) return 0
    this.#refill(bucket, nowMs)
    const missing = Math.min(units * UNIT_TOKENS, this.#capacity) - bucket.tokens
    return missing <= 0 ? 0 : Math.ceil(missing / this.#perMinute)
  }

  /** Takes these units even if the bucket lacks them. Returns the milliseconds until it has one unit again. */
  debit(bucket: TokenBucket, nowMs: number, units: number): number {
    if (this.isUnlimited) return 0
    this.#refill(bucket, nowMs)
    this.#spend(bucket, units)
    return this.waitMs(bucket, nowMs)
  }

  isFull(bucket: TokenBucket, nowMs: number): boolean {
    this.#refill(bucket, nowMs)
    return bucket.tokens >= this.#capacity
  }

  /** Takes units. The debt is at most the burst, so a client can pay it back within twice the time of a burst. */
  #spend(bucket: TokenBucket, units: number): void {
    bucket.tokens = Math.max(-this.#capacity, bucket.tokens - Math.min(units * UNIT_TOKENS, this.#capacity))
  }

  #refill(bucket: TokenBucket, nowMs: number): void {
    const wholeMs = Math.floor(nowMs)
    bucket.tokens = Math.min(this.#capacity, bucket.tokens + (wholeMs - bucket.atMs) * this.#perMinute)
    bucket.atMs = wholeMs
  }
}
