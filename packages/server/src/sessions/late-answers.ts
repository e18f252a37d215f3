/**
 * When a rejected client gets its answer: at once, or one second later if its address has had many rejections. A client
 * that repeats a rejected handshake in a loop then costs the server one handshake per second instead of 1,000. Only
 * rejections are delayed. No address is locked out, and a client that the server accepts does not wait for others
 * behind the same NAT or proxy.
 */
import { networkOf } from '../address-network.js'
import type { Clock } from '../clock.js'
import type { RejectionReason } from '../observability/stats.js'
import { RateLimit, type TokenBucket } from './rate-limit.js'

/** The number of rejections per address that the server answers at once, and the number of further ones per minute. */
const AT_ONCE_PER_MINUTE = 20

const LATE_MS = 1000

/**
 * The number of clients that wait for their answer. Each of them holds a descriptor, so the server answers the oldest
 * when one more waits.
 */
const MAX_WAITING = 256

/** The number of addresses that the server remembers. Beyond it the server forgets the oldest. */
const MAX_ADDRESSES = 10_000

/**
 * Whether the client's own handshake is the reason. Any other rejection is about this server: another server may accept
 * the client, which must therefore get the answer at once.
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
  /** The address with the latest rejection is last. */
  readonly #byNetwork = new Map<string, TokenBucket>()
  /** The functions that answer the waiting clients. The oldest is first. */
  readonly #waiting = new Set<() => void>()

  constructor(clock: Pick<Clock, 'after' | 'monotonic'>) {
    this.#clock = clock
  }

  /** Calls `answer` once, at once or late. */
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

  /** Calls every waiting answer, because the server is about to stop. */
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
