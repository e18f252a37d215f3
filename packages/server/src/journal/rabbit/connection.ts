/**
 * One connection to RabbitMQ: how it is opened, how it ends, and the channels on it. A channel that fails takes its
 * connection with it, so that there is one way to recover: to connect again.
 */
import { Writable } from 'node:stream'
import { connect, type Channel, type ChannelModel, type ConfirmChannel } from 'amqplib'
import { LastcallError } from '../../errors.js'
import type { RabbitAddress } from './address.js'
import { asError } from './failures.js'

/** A server that does not answer the handshake for so long is not there. */
const CONNECT_TIMEOUT_MS = 3000
/**
 * The driver gives a connection up after two of these intervals without a byte. The server's own suggestion is 60 s: a
 * host that vanishes would hold up every client for two minutes.
 */
const HEARTBEAT_SECONDS = 2
const CLOSE_TIMEOUT_MS = 1000
/** So many bytes the driver hands to the socket at once: a gathered batch of a few thousand small messages. */
const SOCKET_BUFFER_BYTES = 1024 * 1024

export class RabbitConnection {
  /** Resolves when the connection has ended, with the reason. Never rejects. */
  readonly ended: Promise<Error>
  readonly #model: ChannelModel
  readonly #abort: AbortController
  #reason: unknown
  #blocked: string | undefined
  #isGathering = false

  private constructor(model: ChannelModel, abort: AbortController) {
    this.#model = model
    this.#abort = abort
    model.on('error', (error) => {
      this.#reason ??= error
    })
    model.on('blocked', (reason) => {
      this.#blocked = reason
    })
    model.on('unblocked', () => {
      this.#blocked = undefined
    })
    this.ended = new Promise((resolve) => {
      model.on('close', (error) => {
        // The driver ends its side and leaves the socket to a peer that may not be there any more.
        abort.abort()
        resolve(asError(this.#reason ?? error))
      })
    })
  }

  /** @param signal ends the attempt, and later the connection. */
  static async open(address: RabbitAddress, signal: AbortSignal): Promise<RabbitConnection> {
    signal.throwIfAborted()
    const abort = new AbortController()
    const onAbort = (): void => abort.abort()
    signal.addEventListener('abort', onAbort)
    // The socket is destroyed by the signal: the driver has no way to end a connection whose peer does not answer.
    const socketOptions = {
      ...{ noDelay: true, timeout: CONNECT_TIMEOUT_MS, signal: abort.signal },
      writableHighWaterMark: SOCKET_BUFFER_BYTES,
      ...(address.ca && { ca: address.ca }),
    }
    try {
      const { protocol, hostname, port, username, password } = address
      // The driver decodes the name of the virtual host, as if it came from a URL.
      const vhost = encodeURIComponent(address.vhost)
      const model = await connect(
        { protocol, hostname, port, username, password, vhost, heartbeat: HEARTBEAT_SECONDS },
        socketOptions,
      )
      const connection = new RabbitConnection(model, abort)
      void connection.ended.then(() => signal.removeEventListener('abort', onAbort))
      expectStreams(model.connection.serverProperties)
      return connection
    } catch (error) {
      signal.removeEventListener('abort', onAbort)
      abort.abort()
      throw error
    }
  }

  /** Why the server does not read from this connection: its memory or its disk is short, and the connection publishes. */
  get blocked(): string | undefined {
    return this.#blocked
  }

  onBlockedChange(listener: () => void): void {
    this.#model.on('blocked', listener)
    this.#model.on('unblocked', listener)
  }

  /** A channel that may fail without any consequence but that its calls reject. */
  async openChannelToTry(): Promise<Channel> {
    const channel = await this.#model.createChannel()
    channel.on('error', () => undefined)
    return channel
  }

  async openChannel(): Promise<Channel> {
    return this.#guard(await this.#model.createChannel())
  }

  async openConfirmChannel(): Promise<ConfirmChannel> {
    return this.#guard(await this.#model.createConfirmChannel())
  }

  #guard<C extends Channel>(channel: C): C {
    channel.on('error', (error) => this.abort(error))
    return channel
  }

  /**
   * The messages that are published in this turn of the event loop leave in one system call. Without this the driver makes a call for
   * each message, and the server a read: together they would cost more than everything else about a small message.
   */
  gatherWrites(): void {
    const { connection } = this.#model
    // The driver's types do not mention its socket.
    if (this.#isGathering || !('stream' in connection && connection.stream instanceof Writable)) return
    const { stream } = connection
    this.#isGathering = true
    stream.cork()
    // The driver hands its frames to the socket in the next turn, after the first of these callbacks.
    setImmediate(() =>
      setImmediate(() => {
        this.#isGathering = false
        stream.uncork()
      }),
    )
  }

  /** Ends the connection at once, without waiting for the server. */
  abort(reason: unknown): void {
    this.#reason ??= reason
    this.#abort.abort()
  }

  /** Ends the connection politely, and at once when the server does not answer. Always resolves. */
  async close(): Promise<void> {
    const timer = setTimeout(() => this.abort(new Error('the server did not answer')), CLOSE_TIMEOUT_MS)
    try {
      await Promise.race([this.#model.close(), this.ended])
    } catch {
      // It is closed or closing already.
      this.abort(new Error('closed'))
    }
    await this.ended
    clearTimeout(timer)
  }
}

const FIRST_VERSION = [3, 9] as const

/** @throws {LastcallError} `journal_unusable`: this RabbitMQ has no streams. Other servers are asked for one instead. */
export function expectStreams({ product, version }: { readonly product?: unknown; readonly version?: unknown }): void {
  if (product !== 'RabbitMQ') return
  const [major = 0, minor = 0] = String(version).split('.').map(Number)
  if (major > FIRST_VERSION[0] || (major === FIRST_VERSION[0] && minor >= FIRST_VERSION[1])) return
  throw new LastcallError(
    'journal_unusable',
    `RabbitMQ ${String(version)} has no stream queues: version ${FIRST_VERSION.join('.')} or newer is needed`,
  )
}
