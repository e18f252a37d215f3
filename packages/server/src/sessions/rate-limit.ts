/**
 * The arithmetic of a rate limit: a token bucket that is full at first and refills evenly. Which buckets a client has, and
 * what takes from them, is the business of client-budgets.ts.
 */

/** Whole numbers only: rounding would refuse a client again that waited as long as it was told. */
export interface TokenBucket {
  /** What may still be taken: one unit is 60,000 tokens; a limit of one unit a minute adds 1 token a millisecond. */
  tokens: number
  /** When that was so, by the monotonic clock. */
  atMs: number
}

const MINUTE_MS = 60_000
const UNIT_TOKENS = MINUTE_MS

export class RateLimit {
  readonly #perMinute: number
  readonly #capacity: number

  /**
   * @param perMinute Units a minute. 0: no limit.
   * @param burst Units that may be taken at once. Default: those of a minute.
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

  /** Takes so many units if they are there: 0, else after how many milliseconds they will be. More than the burst is the burst. */
  take(bucket: TokenBucket, nowMs: number, units = 1): number {
    const waitMs = this.waitMs(bucket, nowMs, units)
    if (waitMs === 0) this.#spend(bucket, units)
    return waitMs
  }

  /** After how many milliseconds so many units can be taken; 0: now. */
  waitMs(bucket: TokenBucket, nowMs: number, units = 1): number {
    if (this.isUnlimited) return 0
    this.#refill(bucket, nowMs)
    const missing = Math.min(units * UNIT_TOKENS, this.#capacity) - bucket.tokens
    return missing <= 0 ? 0 : Math.ceil(missing / this.#perMinute)
  }

  /** Takes so many units whether they are there or not. The answer is after how many milliseconds there is one again. */
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

  /** A debt is bounded as the burst is: it is paid back within twice the time of a burst. */
  #spend(bucket: TokenBucket, units: number): void {
    bucket.tokens = Math.max(-this.#capacity, bucket.tokens - Math.min(units * UNIT_TOKENS, this.#capacity))
  }

  #refill(bucket: TokenBucket, nowMs: number): void {
    const wholeMs = Math.floor(nowMs)
    bucket.tokens = Math.min(this.#capacity, bucket.tokens + (wholeMs - bucket.atMs) * this.#perMinute)
    bucket.atMs = wholeMs
  }
}
