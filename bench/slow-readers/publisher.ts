/**
 * Publishes messages one at a time: the next one when each of the measured clients has received the one before. It records how
 * long each delivery takes.
 */
import { percentile } from '../percentile.js'
import type { ReadingClient } from './reading-client.js'

/** A message that a client has not received after this time is lost. */
const LOST_AFTER_MS = 30_000

export class Publisher {
  readonly #client: ReadingClient
  readonly #text: string
  readonly #audience: number
  #publishedAtMs = 0
  #latenciesMs: number[] = []
  #missing = 0
  #onComplete: () => void = () => undefined

  /**
   * @param client The client that sends the messages.
   * @param size Of a message's data, in bytes.
   * @param audience How many clients call `onReceived` for each message.
   */
  constructor(client: ReadingClient, size: number, audience: number) {
    this.#client = client
    this.#text = JSON.stringify({ type: 'message', data: 'x'.repeat(size) })
    this.#audience = audience
  }

  /** The offsets of the acks: those of all messages so far. */
  get offsets(): readonly number[] {
    return this.#client.offsets
  }

  /** A measured client calls it when it has received a message. */
  readonly onReceived = (): void => {
    this.#latenciesMs.push(performance.now() - this.#publishedAtMs)
    if (--this.#missing === 0) this.#onComplete()
  }

  /**
   * Publishes so many messages. Resolves with the 99th percentile of the time that their deliveries took, in ms.
   *
   * @param between Runs after each message, with its number from 0.
   */
  async p99Ms(count: number, between: (number: number) => Promise<void> = () => Promise.resolve()): Promise<number> {
    this.#latenciesMs = []
    for (let number = 0; number < count; number++) {
      await this.#publish()
      await between(number)
    }
    return percentile(this.#latenciesMs, 0.99)
  }

  #publish(): Promise<void> {
    return new Promise((resolve, reject) => {
      const overdue = setTimeout(() => reject(new Error('a client has not received a message')), LOST_AFTER_MS)
      this.#missing = this.#audience
      this.#onComplete = () => {
        clearTimeout(overdue)
        resolve()
      }
      this.#publishedAtMs = performance.now()
      this.#client.send(this.#text)
    })
  }
}
