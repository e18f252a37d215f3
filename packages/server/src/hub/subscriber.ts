/**
 * What the hub keeps about one connection: its position in the journal, its audience, and the number of its messages
 * that are not acknowledged. The connection holds a subscriber as an opaque value.
 */
import type { Locale } from '@lastcall/protocol'
import type { Connection, ConnectionDelivery } from '../connections/connection.js'
import { UTF8_ENCODING, type TransportEncoding } from '../connections/encoding.js'
import type { Transport } from '../connections/transport.js'
import type { Audience } from './audience.js'
import type { CatchUp } from './catch-up-chunks.js'

export class Subscriber implements ConnectionDelivery {
  readonly connection: Connection
  readonly transport: Transport
  readonly clientId: string
  readonly locale: Locale
  readonly encoding: TransportEncoding
  /** `undefined`: the subscriber has left, and the server delivers nothing to it any more. */
  audience: Audience<Subscriber> | undefined
  /** The position of a subscriber that is behind; `undefined` while the server writes each batch to it at once. */
  catchUp: CatchUp | undefined
  unacked = 0
  #flushed: (() => void) | undefined

  constructor(connection: Connection) {
    this.connection = connection
    this.transport = connection.transport
    this.clientId = connection.clientId
    this.locale = connection.locale
    this.encoding = connection.transport.encoding ?? UTF8_ENCODING
  }

  onceFlushed(callback: () => void): void {
    this.#flushed = callback
    this.notifyIfFlushed()
  }

  /** Calls the callback of `onceFlushed` if the server owes the connection nothing more. */
  notifyIfFlushed(): void {
    const callback = this.#flushed
    if (!callback || (this.audience && (this.unacked > 0 || this.catchUp))) return
    this.#flushed = undefined
    callback()
  }
}

/** `undefined`: the connection has not joined. */
export const subscriberOf = ({ delivery }: Connection): Subscriber | undefined =>
  delivery instanceof Subscriber ? delivery : undefined
