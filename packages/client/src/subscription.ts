/**
 * What the application holds of a channel: a handler, or messages to be waited for one after the other.
 */
import { ClientError } from './errors.js'
import { call } from './events.js'
import type { ChannelMessage } from './messages.js'

export type MessageHandler = (message: ChannelMessage) => void

export interface SubscriptionOptions {
  readonly handler: MessageHandler | undefined
  readonly maxBuffer: number
  readonly onUnsubscribe: (subscription: ChannelSubscription) => void
}

/**
 * Hears a channel until `unsubscribe()`. With a handler it calls that; `for await` gives the messages that came since it
 * was made, or, where it has a handler, since the loop began. One loop at a time; leaving it unsubscribes. It throws
 * `buffer_full` behind what was kept, or what the server said when it refused the channel.
 */
export interface Subscription extends AsyncIterable<ChannelMessage> {
  readonly channel: string
  /** Hears it no longer. When nobody does, the server is told. */
  unsubscribe(): void
}

export class ChannelSubscription implements Subscription {
  readonly channel: string
  readonly #options: SubscriptionOptions
  #buffer: ChannelMessage[] | undefined
  #isOver = false
  #error: ClientError | undefined
  #wake: (() => void) | undefined

  constructor(channel: string, options: SubscriptionOptions) {
    this.channel = channel
    this.#options = options
    if (!options.handler) this.#buffer = []
  }

  /** Takes what has come. */
  push(message: ChannelMessage): void {
    const { handler, maxBuffer } = this.#options
    if (handler) call(() => handler(message))
    const buffer = this.#buffer
    if (!buffer || this.#error) return
    if (buffer.length < maxBuffer) buffer.push(message)
    else this.#error = new ClientError('buffer_full', `${maxBuffer} messages are waiting already`)
    this.#wake?.()
  }

  /** No message will come any more; a loop ends with this error, or quietly. */
  end(error?: ClientError): void {
    this.#isOver = true
    this.#error ??= error
    this.#wake?.()
  }

  unsubscribe(): void {
    if (this.#isOver) return
    this.end()
    this.#options.onUnsubscribe(this)
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<ChannelMessage, void, undefined> {
    const buffer = (this.#buffer ??= [])
    try {
      for (;;) {
        const message = buffer.shift()
        if (message) yield message
        else if (this.#error) throw this.#error
        else if (this.#isOver) return
        else await new Promise<void>((resolve) => (this.#wake = resolve))
      }
    } finally {
      this.unsubscribe()
      this.#buffer = undefined
    }
  }
}
