/**
 * A connection that is made again whenever it ends, until it is closed.
 */
import { ReconnectBackoff } from '../reconnect-backoff.js'
import type { RabbitAddress } from './address.js'
import { RabbitConnection } from './connection.js'
import { asError } from './failures.js'

export interface LinkOptions {
  readonly address: RabbitAddress
  /** Makes a new connection usable. When it rejects, the connection is dropped and another one is tried. */
  readonly setUp: (connection: RabbitConnection) => Promise<void>
  /** A connection that was usable has ended, or another attempt has failed. */
  readonly onDown: (reason: Error) => void
  /** There is a usable connection again. */
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

  /** Rejects when the first connection cannot be made; it is not tried again then. */
  async open(): Promise<void> {
    const connection = await this.#connect()
    this.#running = this.#keep(connection)
  }

  async #connect(): Promise<RabbitConnection> {
    const connection = await RabbitConnection.open(this.#options.address, this.#closing.signal)
    this.#connection = connection
    try {
      // What waits for an answer does not wait longer than for the end of the connection.
      await Promise.race([this.#options.setUp(connection), connection.ended.then((reason) => Promise.reject(reason))])
      return connection
    } catch (error) {
      connection.abort(error)
      // The first reason is the one that helps: a refused permission, and not that its channel was closed.
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
    // Politely first: the server still reads what has been sent.
    await this.#connection?.close()
    this.#closing.abort()
    await this.#running
  }
}
