/**
 * What the hub keeps about one connection: where it stands in the journal, which audience it belongs to, and how much of
 * what it published has not come back. The connection holds it without knowing what it is.
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
  /** `undefined`: it has left, and nothing is delivered to it any more. */
  audience: Audience<Subscriber> | undefined
  /** Where it stands while it is behind; `undefined` while it is written to live. */
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

  /** Calls back who waits in `onceFlushed`, if nothing is due any more. */
  notifyIfFlushed(): void {
    const callback = this.#flushed
    if (!callback || (this.audience && (this.unacked > 0 || this.catchUp))) return
    this.#flushed = undefined
    callback()
  }
}

/** `undefined`: this connection has not joined. */
export const subscriberOf = ({ delivery }: Connection): Subscriber | undefined =>
  delivery instanceof Subscriber ? delivery : undefined
