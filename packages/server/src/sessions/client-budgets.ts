/**
 * The budgets of a client for messages, channels, replayed history and frames. A budget belongs to the client and
 * outlives the connection, so a client that reconnects does not get a new one.
 */
import { RateLimit, type TokenBucket } from './rate-limit.js'

export interface BudgetRates {
  /** The number of `message`, `direct`, `subscribe` and `unsubscribe` requests per minute and client. 0: no limit. */
  readonly messagesPerMinute: number
  /** The number of channels to which a client subscribes, or which it names in a handshake, per minute. 0: no limit. */
  readonly channelsPerMinute: number
  /** The bytes of history that the server replays to a client per minute. 0: no limit. */
  readonly replayBytesPerMinute: number
}

/** The cost of a request in addition to one message. */
export interface RequestCost {
  readonly channels: number
  readonly replayBytes: number
}

/**
 * The number of frames without an accepted message that a client may send at once, and per minute: pings of both kinds,
 * pongs, small fragments and refused messages. PROTOCOL.md states it.
 */
const FRAMES_AT_ONCE = 300
const FRAMES_PER_MINUTE = 6000

/** The least cost of a replay. Even an empty replay costs the server as much as reading this many bytes. */
const MIN_REPLAY_BYTES = 16 * 1024

/** The number of budgets that the server keeps for disconnected clients. Beyond it the server forgets the oldest. */
const MAX_KEPT = 100_000

/**
 * The time in which every budget is full again, whatever the client took. It is twice a minute because frames may have
 * left a debt.
 */
const FULL_AFTER_MS = 120_000

type Budgeted = 'messages' | 'channels' | 'replay' | 'frames'

type Limits = Readonly<Record<Budgeted, RateLimit>>

/** The budgets of one client. A bucket is created at its first use, because most clients use only some of them. */
export class ClientBudget {
  readonly #limits: Limits
  #buckets: { [Of in Budgeted]?: TokenBucket } = {}

  constructor(limits: Limits) {
    this.#limits = limits
  }

  /** Takes one message. Returns 0 if it may pass, and otherwise the milliseconds after which the next one may. */
  takeMessage(nowMs: number): number {
    const { messages } = this.#limits
    return messages.isUnlimited ? 0 : messages.take(this.#bucket('messages', nowMs), nowMs)
  }

  /** Takes the complete cost of a request with its message, or nothing. Returns the same as `takeMessage`. */
  takeRequest(cost: RequestCost, nowMs: number): number {
    const waitMs = Math.max(this.#waitMs('messages', 1, nowMs), this.#costWaitMs(cost, nowMs))
    if (waitMs > 0) return waitMs
    this.takeMessage(nowMs)
    this.#takeCost(cost, nowMs)
    return 0
  }

  /** Takes the complete cost of a handshake, or nothing. Returns the same as `takeMessage`. */
  takeHandshake(cost: RequestCost, nowMs: number): number {
    const waitMs = this.#costWaitMs(cost, nowMs)
    if (waitMs === 0) this.#takeCost(cost, nowMs)
    return waitMs
  }

  /**
   * Charges for received frames. Returns the milliseconds for which the server should not read from the client; usually
   * 0.
   */
  debitFrames(count: number, nowMs: number): number {
    return this.#limits.frames.debit(this.#bucket('frames', nowMs), nowMs, count)
  }

  /** Whether every bucket is full. */
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

/** In kilobytes. The tokens of 64 GiB in bytes would exceed the integers that a number represents exactly. */
const replayUnits = (bytes: number): number =>
  bytes === 0 ? 0 : Math.ceil(Math.max(bytes, MIN_REPLAY_BYTES) / KILOBYTE)

export class ClientBudgets {
  readonly #limits: Limits
  /** The budgets of disconnected clients. The client that left first is first. */
  readonly #kept = new Map<string, { readonly budget: ClientBudget; readonly keptAtMs: number }>()

  constructor({ messagesPerMinute, channelsPerMinute, replayBytesPerMinute }: BudgetRates) {
    this.#limits = {
      messages: new RateLimit(messagesPerMinute),
      channels: new RateLimit(channelsPerMinute),
      replay: new RateLimit(Math.ceil(replayBytesPerMinute / KILOBYTE)),
      frames: new RateLimit(FRAMES_PER_MINUTE, FRAMES_AT_ONCE),
    }
  }

  /** The budget with which the client left, or a full one. */
  open(clientId: string): ClientBudget {
    const kept = this.#kept.get(clientId)
    this.#kept.delete(clientId)
    return kept?.budget ?? new ClientBudget(this.#limits)
  }

  /** Keeps the budget of a leaving client until it would be full again. */
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
