/**
 * What a client may ask of the server: a budget each of messages, of channels, of replayed history and of frames. Budgets
 * belong to the client and outlive the connection, so that connecting anew is not a way around them.
 */
import { RateLimit, type TokenBucket } from './rate-limit.js'

export interface BudgetRates {
  /** `message`, `direct`, `subscribe` and `unsubscribe`, per minute and client. 0: no limit. */
  readonly messagesPerMinute: number
  /** Channels that a client subscribes to or names in a handshake, per minute and client. 0: no limit. */
  readonly channelsPerMinute: number
  /** Bytes of history that a client has replayed to it, per minute and client. 0: no limit. */
  readonly replayBytesPerMinute: number
}

/** What a request costs besides one message. */
export interface RequestCost {
  readonly channels: number
  readonly replayBytes: number
}

/**
 * Frames that bring no message which is taken: pings of both kinds, pongs, small fragments, and refused messages. So many
 * may come at once, and so many a minute. In the protocol.
 */
const FRAMES_AT_ONCE = 300
const FRAMES_PER_MINUTE = 6000

/** A replay costs at least as much as reading so many bytes does. */
const MIN_REPLAY_BYTES = 16 * 1024

/** The most budgets kept of clients that have gone; beyond that the oldest are forgotten. */
const MAX_KEPT = 100_000

/** After so long every budget is full again, whatever was taken from it; frames may have left a debt. */
const FULL_AFTER_MS = 120_000

type Budgeted = 'messages' | 'channels' | 'replay' | 'frames'

type Limits = Readonly<Record<Budgeted, RateLimit>>

/** One client's. A bucket is made when something is first taken from it: most clients never fill them all. */
export class ClientBudget {
  readonly #limits: Limits
  #buckets: { [Of in Budgeted]?: TokenBucket } = {}

  constructor(limits: Limits) {
    this.#limits = limits
  }

  /** Takes one message: 0 when it may pass, else after how many milliseconds the next one may. */
  takeMessage(nowMs: number): number {
    const { messages } = this.#limits
    return messages.isUnlimited ? 0 : messages.take(this.#bucket('messages', nowMs), nowMs)
  }

  /** Takes a request with its message: all of it, or nothing. The answer is as with `takeMessage`. */
  takeRequest(cost: RequestCost, nowMs: number): number {
    const waitMs = Math.max(this.#waitMs('messages', 1, nowMs), this.#costWaitMs(cost, nowMs))
    if (waitMs > 0) return waitMs
    this.takeMessage(nowMs)
    this.#takeCost(cost, nowMs)
    return 0
  }

  /** Takes what a handshake asks for: all of it, or nothing. The answer is as with `takeMessage`. */
  takeHandshake(cost: RequestCost, nowMs: number): number {
    const waitMs = this.#costWaitMs(cost, nowMs)
    if (waitMs === 0) this.#takeCost(cost, nowMs)
    return waitMs
  }

  /** Charges for frames that have come. The answer is for how many milliseconds no more should be read; mostly 0. */
  debitFrames(count: number, nowMs: number): number {
    return this.#limits.frames.debit(this.#bucket('frames', nowMs), nowMs, count)
  }

  /** Whether nothing is missing from it. */
  isFull(nowMs: number): boolean {
    for (const of of Object.keys(this.#buckets) as Budgeted[]) {
      if (!this.#limits[of].isFull(this.#bucket(of, nowMs), nowMs)) return false
    }
    return true
  }

  #costWaitMs({ channels, replayBytes }: RequestCost, nowMs: number): number {
    return Math.max(this.#waitMs('channels', channels, nowMs), this.#waitMs('replay', replayUnits(replayBytes), nowMs))
  }

  #takeCost({ channels, replayBytes }: RequestCost, nowMs: number): void {
    this.#take('channels', channels, nowMs)
    this.#take('replay', replayUnits(replayBytes), nowMs)
  }

  #waitMs(of: Budgeted, units: number, nowMs: number): number {
    const limit = this.#limits[of]
    return units === 0 || limit.isUnlimited ? 0 : limit.waitMs(this.#bucket(of, nowMs), nowMs, units)
  }

  #take(of: Budgeted, units: number, nowMs: number): void {
    const limit = this.#limits[of]
    if (units > 0 && !limit.isUnlimited) limit.take(this.#bucket(of, nowMs), nowMs, units)
  }

  #bucket(of: Budgeted, nowMs: number): TokenBucket {
    return (this.#buckets[of] ??= this.#limits[of].open(nowMs))
  }
}

const KILOBYTE = 1024

/** In kilobytes: the tokens of 64 GiB in bytes would not be whole numbers any more. */
const replayUnits = (bytes: number): number =>
  bytes === 0 ? 0 : Math.ceil(Math.max(bytes, MIN_REPLAY_BYTES) / KILOBYTE)

export class ClientBudgets {
  readonly #limits: Limits
  /** Of clients that are not connected, the longest gone first. */
  readonly #kept = new Map<string, { readonly budget: ClientBudget; readonly keptAtMs: number }>()

  constructor({ messagesPerMinute, channelsPerMinute, replayBytesPerMinute }: BudgetRates) {
    this.#limits = {
      messages: new RateLimit(messagesPerMinute),
      channels: new RateLimit(channelsPerMinute),
      replay: new RateLimit(Math.ceil(replayBytesPerMinute / KILOBYTE)),
      frames: new RateLimit(FRAMES_PER_MINUTE, FRAMES_AT_ONCE),
    }
  }

  /** The budget that a client left when it was last connected, or a full one. */
  open(clientId: string): ClientBudget {
    const kept = this.#kept.get(clientId)
    this.#kept.delete(clientId)
    return kept?.budget ?? new ClientBudget(this.#limits)
  }

  /** Keeps a leaving client's budget until it would be full again. */
  keep(clientId: string, budget: ClientBudget | undefined, nowMs: number): void {
    if (!budget || budget.isFull(nowMs)) return
    this.#kept.delete(clientId)
    if (this.#kept.size >= MAX_KEPT) this.#kept.delete(this.#kept.keys().next().value as string)
    this.#kept.set(clientId, { budget, keptAtMs: nowMs })
  }

  /** Forgets the budgets that are full again. */
  sweep(nowMs: number): void {
    for (const [clientId, { keptAtMs }] of this.#kept) {
      if (nowMs - keptAtMs < FULL_AFTER_MS) break
      this.#kept.delete(clientId)
    }
  }
}
