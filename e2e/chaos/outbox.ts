/**
 * The messages of a client without a library that have no answer yet, and those that were acknowledged recently. Sends nothing.
 */
import type { Destination } from './campaign-client.js'

/** The number of acknowledged messages that a client may repeat. */
const MAX_REMEMBERED = 30

export interface OutboxMessage {
  readonly id: string
  readonly where: Destination
  readonly data: unknown
  /** On the present connection. */
  isSent: boolean
  /** On any connection. */
  wasSent: boolean
}

export class Outbox {
  #open: OutboxMessage[] = []
  readonly #acked: OutboxMessage[] = []

  get size(): number {
    return this.#open.length
  }

  add(id: string, where: Destination, data: unknown): void {
    this.#open.push({ id, where, data, isSent: false, wasSent: false })
  }

  /** The first messages, at most so many. */
  first(count: number): readonly OutboxMessage[] {
    return this.#open.slice(0, count)
  }

  find(id: string | undefined): OutboxMessage | undefined {
    return this.#open.find((message) => message.id === id)
  }

  /** A new connection begins: none of the messages was sent on it. */
  beginConnection(): void {
    for (const message of this.#open) message.isSent = false
  }

  /** Removes the messages that were sent on any connection. */
  takeSent(): readonly OutboxMessage[] {
    const sent = this.#open.filter(({ wasSent }) => wasSent)
    this.#open = this.#open.filter(({ wasSent }) => !wasSent)
    return sent
  }

  remove(message: OutboxMessage): void {
    this.#open = this.#open.filter((each) => each !== message)
  }

  /** The server has acknowledged this message. */
  acked(message: OutboxMessage): void {
    this.remove(message)
    this.#acked.push(message)
    if (this.#acked.length > MAX_REMEMBERED) this.#acked.shift()
  }

  /**
   * The messages that a client may send a second time. Of those without an ack only the first one: the server could accept any
   * later one before its predecessors.
   */
  get repeatable(): readonly OutboxMessage[] {
    return [...this.#acked, ...this.#open.slice(0, 1).filter(({ isSent }) => isSent)]
  }
}

/** @param after The id of the previous message. */
export const publishFrame = ({ id, where, data }: OutboxMessage, after: string | undefined): object => ({
  type: where.to === undefined ? 'message' : 'direct',
  ...where,
  data,
  id,
  after,
})
