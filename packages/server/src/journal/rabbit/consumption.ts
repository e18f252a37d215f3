/**
 * Reads the queue on one channel. A bounded number of messages is under way, and the reader gets a call after the last
 * message of each turn of the event loop. While the queue is busy, a turn lasts some milliseconds.
 */
import type { Channel, ConsumeMessage } from 'amqplib'
import type { Clock } from '../../clock.js'
import { BatchDelay } from '../batch-delay.js'
import type { RabbitConnection } from './connection.js'
import { readMessage, type LogMessage } from './log-message.js'

export interface ConsumptionOptions {
  readonly queue: string
  /**
   * An offset; or `first` or `last`: the first offset of the oldest or newest chunk. An offset after the end means the
   * next message.
   */
  readonly from: number | 'first' | 'last'
  readonly clock: Clock
  readonly onMessage: (message: LogMessage) => void
  /** Called after the last message of a turn. */
  readonly onTurn?: () => void
}

/**
 * The number of messages that the server sends without an answer. It covers a round trip of 10 ms at 100,000 messages
 * per second.
 */
const PREFETCH = 1000
/** The greatest number of messages in a turn, so that the server never has to wait for an answer. */
const MAX_IN_TURN = PREFETCH / 4

export class Consumption {
  readonly #connection: RabbitConnection
  readonly #channel: Channel
  readonly #options: ConsumptionOptions
  /** The number of messages since the channel was opened. */
  #received = 0
  #acked = 0
  #latest: ConsumeMessage | undefined
  /** The value of `#received` when the end of the turn was last considered. */
  #noted = 0
  readonly #batchDelay = new BatchDelay()
  #stopWaiting: (() => void) | undefined
  #isDue = false
  #isClosed = false

  private constructor(connection: RabbitConnection, channel: Channel, options: ConsumptionOptions) {
    this.#connection = connection
    this.#channel = channel
    this.#options = options
  }

  static async start(connection: RabbitConnection, options: ConsumptionOptions): Promise<Consumption> {
    const channel = await connection.openChannel()
    await channel.prefetch(PREFETCH)
    const consumption = new Consumption(connection, channel, options)
    const onDelivery = (delivered: ConsumeMessage | null): void => consumption.#onDelivery(delivered)
    await channel.consume(options.queue, onDelivery, { arguments: { 'x-stream-offset': options.from } })
    return consumption
  }

  #onDelivery(delivered: ConsumeMessage | null): void {
    if (this.#isClosed) return
    if (!delivered) {
      this.#connection.abort(new Error(`the queue ${this.#options.queue} was deleted or moved`))
      return
    }
    this.#received++
    // The driver delivers everything that one read of the socket has brought before microtasks run.
    if (!this.#isDue) queueMicrotask(() => this.#considerEnd())
    this.#isDue = true
    this.#latest = delivered
    this.#options.onMessage(readMessage(delivered))
  }

  #considerEnd(): void {
    const { clock } = this.#options
    this.#isDue = false
    const delayMs = this.#batchDelay.delayAfter(this.#received - this.#noted, clock.monotonic())
    this.#noted = this.#received
    if (delayMs === 0 || this.#received - this.#acked >= MAX_IN_TURN) this.#endTurn()
    else this.#stopWaiting ??= clock.after(delayMs, () => this.#endTurn())
  }

  #endTurn(): void {
    this.#stopWaiting?.()
    this.#stopWaiting = undefined
    const latest = this.#latest
    this.#latest = undefined
    if (this.#isClosed || !latest) return
    this.#acked = this.#received
    try {
      this.#channel.ack(latest, true)
    } catch {
      // The channel has been closed meanwhile. The connection reports the reason.
    }
    this.#options.onTurn?.()
  }

  /**
   * Resolves when all messages that were in the queue at the call have been delivered, provided that one message has
   * been delivered before. A stream reports `messageCount` with a delay. But the server answers on a channel in order:
   * if it answers while it may send more messages, it has no more. Before the first delivery the answer may come too
   * early, because the server begins to read the stream in a process of its own.
   */
  async caughtUp(): Promise<void> {
    for (let calm = 0; calm < 2;) {
      const acked = this.#acked
      await this.#channel.checkQueue(this.#options.queue)
      calm = this.#received - acked < PREFETCH / 2 ? calm + 1 : 0
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.#channel.close()
  }
}
