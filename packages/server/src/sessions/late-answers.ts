/**
 * When a rejected client is answered: at once, or one second late once its address has had many rejections. A client that
 * repeats a rejected handshake in a loop costs the server a handshake each second then, instead of 1,000. Only rejections
 * are late: no address is locked out, and a client that the server accepts never waits for the others behind its NAT or proxy.
 */
import { networkOf } from '../address-network.js'
import type { Clock } from '../clock.js'
import type { RejectionReason } from '../observability/stats.js'
import { RateLimit, type TokenBucket } from './rate-limit.js'

/** So many rejections of one address are answered at once, and so many more in each minute. */
const AT_ONCE_PER_MINUTE = 20

const LATE_MS = 1000

/** So many clients wait for their answer at most: each holds a descriptor. When one more comes, the oldest is answered. */
const MAX_WAITING = 256

/** The most addresses that are remembered; beyond that the oldest are forgotten. */
const MAX_ADDRESSES = 10_000

/**
 * Whether the client's own handshake is the reason. The other answers are about this server, and a client that another
 * server would accept must learn of it at once.
 */
const IS_CLIENTS_FAULT = {
  shutting_down: false,
  origin: true,
  invalid_client_id: true,
  unauthorized: true,
  max_connections: false,
  other_build_ready: false,
  id_in_use: true,
  journal_unavailable: false,
  forbidden_channel: true,
  rate_limited: true,
  refused: true,
  unavailable: false,
} as const satisfies Record<RejectionReason, boolean>

export class LateAnswers {
  readonly #clock: Pick<Clock, 'after' | 'monotonic'>
  readonly #limit = new RateLimit(AT_ONCE_PER_MINUTE)
  /** The address that was rejected last stands last. */
  readonly #byNetwork = new Map<string, TokenBucket>()
  /** The oldest first. Each gives its answer when it is called. */
  readonly #waiting = new Set<() => void>()

  constructor(clock: Pick<Clock, 'after' | 'monotonic'>) {
    this.#clock = clock
  }

  /** Calls back once, at once or late. */
  give(reason: RejectionReason, address: string | undefined, answer: () => void): void {
    if (!IS_CLIENTS_FAULT[reason] || !this.#isLate(networkOf(address))) return answer()
    const giveNow = (): void => {
      cancel()
      this.#waiting.delete(giveNow)
      answer()
    }
    const cancel = this.#clock.after(LATE_MS, giveNow)
    this.#waiting.add(giveNow)
    const [oldest] = this.#waiting
    if (this.#waiting.size > MAX_WAITING) oldest?.()
  }

  /** Gives every answer that waits: the server is about to end. */
  giveAll(): void {
    for (const giveNow of this.#waiting) giveNow()
  }

  #isLate(network: string): boolean {
    const now = this.#clock.monotonic()
    const bucket = this.#byNetwork.get(network) ?? this.#limit.open(now)
    this.#byNetwork.delete(network)
    const [oldest] = this.#byNetwork.keys()
    if (this.#byNetwork.size >= MAX_ADDRESSES && oldest !== undefined) this.#byNetwork.delete(oldest)
    this.#byNetwork.set(network, bucket)
    return this.#limit.take(bucket, now) > 0
  }
}
