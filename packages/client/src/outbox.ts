/**
 * What the application has said and the server has not answered yet, in order. Knows what may be sent, what has to be
 * sent again, and nothing of time or sockets.
 */

import type { ConnectionDetails } from './connection-details.js'
import { ClientError } from './errors.js'

/** One message on its way. */
export interface Outgoing {
  readonly id: string
  /** `undefined`: to one client. */
  readonly channel: string | undefined
  readonly to: string | undefined
  /** JSON text. */
  readonly data: string
  /** It is in the journal, at this offset. */
  readonly resolve: (offset: number) => void
  /** It never will be, or that can't be found out. */
  readonly reject: (error: ClientError) => void
}

interface Item {
  readonly outgoing: Outgoing
  /** Sent on this connection, not answered. */
  isInFlight: boolean
  /** It may be in the journal: it was sent on some connection, and its refusal did not come or did not rule that out. */
  isInDoubt: boolean
  /** The same, before it was sent on this connection. */
  wasInDoubt: boolean
}

/** What the server takes without holding the connection up. */
const MAX_IN_FLIGHT = 64

export class Outbox {
  /** In the order of the application. */
  readonly #items = new Map<string, Item>()
  #inFlight = 0
  /** How many may be in flight: one after a refusal, then twice as many with each ack. */
  #window = MAX_IN_FLIGHT

  get size(): number {
    return this.#items.size
  }

  /** Whether nothing is in flight. */
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

  /** Whether something is still to be said in this channel. */
  needs(channel: string): boolean {
    for (const { outgoing } of this.#items.values()) if (outgoing.channel === channel) return true
    return false
  }

  add(outgoing: Outgoing): void {
    this.#items.set(outgoing.id, { outgoing, isInFlight: false, isInDoubt: false, wasInDoubt: false })
  }

  /** The frames that may be sent now. A message to a channel that is not ready waits, and what comes after it too. */
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

  /** It is in the journal. `false`: not one of these. */
  acked(id: string, offset: number): boolean {
    this.#window = Math.min(MAX_IN_FLIGHT, this.#window * 2)
    const outgoing = this.#remove(id)
    outgoing?.resolve(offset)
    return outgoing !== undefined
  }

  /** It was refused for good. */
  refused(id: string, error: ClientError): void {
    this.#remove(id)?.reject(error)
  }

  /**
   * It was not taken for now.
   *
   * @param isCertain Whether it will not come into the journal all the same.
   */
  postponed(id: string, isCertain: boolean): void {
    const item = this.#items.get(id)
    if (!item) return
    this.#landed(item)
    if (isCertain) item.isInDoubt = item.wasInDoubt
    this.#window = 1
  }

  /** The connection is gone: whatever was in flight is to be sent again, once it is clear that it was not taken. */
  cut(): void {
    for (const item of this.#items.values()) item.isInFlight = false
    this.#inFlight = 0
    this.#window = MAX_IN_FLIGHT
  }

  /** Rejects the messages whose answers the server can no longer give. */
  dropInDoubt(details?: ConnectionDetails): void {
    for (const [id, { isInDoubt }] of this.#items) {
      if (isInDoubt) this.refused(id, new ClientError('outcome_unknown', 'the answer is lost', undefined, details))
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

/** `after`: if the server does not take that one for now, it is not to take this one either. */
function frameOf({ id, channel, to, data }: Outgoing, after: string | undefined): string {
  const fields = JSON.stringify({ type: to === undefined ? 'message' : 'direct', channel, to, id, after })
  return `${fields.slice(0, -1)},"data":${data}}`
}
