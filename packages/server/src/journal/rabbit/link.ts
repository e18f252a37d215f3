/** A connection that is renewed whenever it ends, until the link is closed. */
import { ReconnectBackoff } from '../reconnect-backoff.js'
import type { RabbitAddress } from './address.js'
import { RabbitConnection } from './connection.js'
import { asError } from './failures.js'

export interface LinkOptions {
  readonly address: RabbitAddress
  /** Prepares a new connection. If it rejects, the link drops the connection and tries another one. */
  readonly setUp: (connection: RabbitConnection) => Promise<void>
  /** A usable connection has ended, or another attempt has failed. */
  readonly onDown: (reason: Error) => void
  /** The link has a usable connection again. */
  readonly onUp: () => void
}

export class Link {
  readonly #options: LinkOptions
  readonly #closing = new AbortController()
  #connection: RabbitConnection | undefined
  #running: Promise<void> | undefined
  #isClosed = false

  constructor(options: LinkOptions) {
    this.#options = options
  }

  /** Rejects if the first connection fails. The link does not try again then. */
  async open(): Promise<void> {
    const connection = await this.#connect()
    this.#running = this.#keep(connection)
  }

  async #connect(): Promise<RabbitConnection> {
    const connection = await RabbitConnection.open(this.#options.address, this.#closing.signal)
    this.#connection = connection
    try {
      // The preparation may wait for an answer that never arrives, but not longer than the connection lasts.
      await Promise.race([this.#options.setUp(connection), connection.ended.then((reason) => Promise.reject(reason))])
      return connection
    } catch (error) {
      connection.abort(error)
      // The reason of the connection helps more than that of the preparation: it names a refused permission, for
      // example, and not only that a channel was closed.
      throw await connection.ended
    }
  }

  async #keep(first: RabbitConnection): Promise<void> {
    let connection: RabbitConnection | undefined = first
    const backoff = new ReconnectBackoff()
    while (!this.#isClosed) {
      if (connection) {
        backoff.reset()
        this.#tellDown(await connection.ended)
      }
      await backoff.wait(this.#closing.signal)
      connection = await this.#retry()
    }
  }

  async #retry(): Promise<RabbitConnection | undefined> {
    try {
      const connection = await this.#connect()
      if (!this.#isClosed) this.#options.onUp()
      return connection
    } catch (error) {
      this.#tellDown(asError(error))
      return undefined
    }
  }

  #tellDown(reason: Error): void {
    if (!this.#isClosed) this.#options.onDown(reason)
  }

  /** Always resolves. */
  async close(): Promise<void> {
    this.#isClosed = true
    // The close is polite, so that the server still reads what has been sent.
    await this.#connection?.close()
    this.#closing.abort()
    await this.#running
  }
}
