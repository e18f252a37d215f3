/**
 * The messages of the application without an ack, in order. Decides which may be sent, and which must be sent again. Knows
 * neither time nor sockets.
 */

import type { ConnectionDetails } from './connection-details.js'
import { ClientError } from './errors.js'

/** One message without an ack. */
export interface Outgoing {
  readonly id: string
  /** `undefined`: a direct message. */
  readonly channel: string | undefined
  readonly to: string | undefined
  /** JSON text. */
  readonly data: string
  /** The journal contains the message, at this offset. */
  readonly resolve: (offset: number) => void
  /** The journal will not contain it, or the client cannot find out. */
  readonly reject: (error: ClientError) => void
}

interface Item {
  readonly outgoing: Outgoing
  /** Sent on this connection, and not answered. */
  isInFlight: boolean
  /** The journal may contain it: the client sent it on some connection, and no refusal has ruled that out. */
  isInDoubt: boolean
  /** The same, before the client sent it on this connection. */
  wasInDoubt: boolean
}

/** The number of messages in flight that the server accepts before it stops reading. */
const MAX_IN_FLIGHT = 64

export class Outbox {
  /** In the order of the calls of `publish`. */
  readonly #items = new Map<string, Item>()
  #inFlight = 0
  /** The limit of messages in flight: one after a refusal, then twice as many with each ack. */
  #window = MAX_IN_FLIGHT

  get size(): number {
    return this.#items.size
  }

  /** Whether no message is in flight. */
  get isLanded(): boolean {
    return this.#inFlight === 0
  }

  get hasInDoubt(): boolean {
    for (const { isInDoubt } of this.#items.values()) if (isInDoubt) return true
    return false
  }

  has(id: string): boolean {
    return this.#items.has(id)
  }

  /** Whether messages to this channel wait for an ack. */
  needs(channel: string): boolean {
    for (const { outgoing } of this.#items.values()) if (outgoing.channel === channel) return true
    return false
  }

  add(outgoing: Outgoing): void {
    this.#items.set(outgoing.id, { outgoing, isInFlight: false, isInDoubt: false, wasInDoubt: false })
  }

  /** The frames that may be sent now. A message to a channel that is not ready waits, and so do all messages after it. */
  take(isReady: (channel: string) => boolean): string[] {
    const frames: string[] = []
    let after: string | undefined
    for (const item of this.#items.values()) {
      const { id, channel } = item.outgoing
      if (!item.isInFlight) {
        if (this.#inFlight >= this.#window || (channel !== undefined && !isReady(channel))) break
        frames.push(frameOf(item.outgoing, after))
        item.wasInDoubt = item.isInDoubt
        item.isInFlight = item.isInDoubt = true
        this.#inFlight++
      }
      after = id
    }
    return frames
  }

  /** The journal contains the message. `false`: it is none of these. */
  acked(id: string, offset: number): boolean {
    this.#window = Math.min(MAX_IN_FLIGHT, this.#window * 2)
    const outgoing = this.#remove(id)
    outgoing?.resolve(offset)
    return outgoing !== undefined
  }

  /** The server refused the message for good. */
  refused(id: string, error: ClientError): void {
    this.#remove(id)?.reject(error)
  }

  /**
   * The server refused the message temporarily.
   *
   * @param isCertain Whether the journal certainly does not contain it.
   */
  postponed(id: string, isCertain: boolean): void {
    const item = this.#items.get(id)
    if (!item) return
    this.#landed(item)
    if (isCertain) item.isInDoubt = item.wasInDoubt
    this.#window = 1
  }

  /** The connection has ended: the messages in flight are sent again, once it is certain that the journal does not contain them. */
  cut(): void {
    for (const item of this.#items.values()) item.isInFlight = false
    this.#inFlight = 0
    this.#window = MAX_IN_FLIGHT
  }

  /** Rejects the messages whose answers the server can no longer give. */
  dropInDoubt(details?: ConnectionDetails): void {
    for (const [id, { isInDoubt }] of this.#items) {
      if (isInDoubt) this.refused(id, new ClientError('outcome_unknown', 'the ack is lost', undefined, details))
    }
  }

  /** Rejects all messages: the client is closed. */
  drop(details: ConnectionDetails | undefined): void {
    this.dropInDoubt(details)
    const why = details ? ` (${details.code} ${details.reason})` : ''
    for (const id of this.#items.keys()) {
      this.refused(id, new ClientError('closed', `the client is closed${why}`, undefined, details))
    }
  }

  #remove(id: string): Outgoing | undefined {
    const item = this.#items.get(id)
    if (item) this.#landed(item)
    this.#items.delete(id)
    return item?.outgoing
  }

  #landed(item: Item): void {
    if (item.isInFlight) this.#inFlight--
    item.isInFlight = false
  }
}

/** `after`: if the server refuses that message temporarily, it must refuse this one, too. */
function frameOf({ id, channel, to, data }: Outgoing, after: string | undefined): string {
  const fields = JSON.stringify({ type: to === undefined ? 'message' : 'direct', channel, to, id, after })
  return `${fields.slice(0, -1)},"data":${data}}`
}
