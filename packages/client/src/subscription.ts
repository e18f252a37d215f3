/**
 * The application's side of a subscription: a handler, or an iterator over the messages.
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
 * Receives the messages of a channel until `unsubscribe()`. A handler gets each message; a `for await` loop gets the
 * messages since the subscription began, or since the loop began if there is a handler. Only one loop runs at a time, and
 * its end unsubscribes. After the buffered messages the loop throws `buffer_full`, or the server's refusal of the channel.
 */
export interface Subscription extends AsyncIterable<ChannelMessage> {
  readonly channel: string
  /** Ends this subscription. The last one of a channel unsubscribes at the server. */
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

  /** Adds a message. */
  push(message: ChannelMessage): void {
    const { handler, maxBuffer } = this.#options
    if (handler) call(() => handler(message))
    const buffer = this.#buffer
    if (!buffer || this.#error) return
    if (buffer.length < maxBuffer) buffer.push(message)
    else this.#error = new ClientError('buffer_full', `${maxBuffer} messages wait already`)
    this.#wake?.()
  }

  /** No further message follows; a loop ends with this error, or without one. */
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
