/**
 * One connection to RabbitMQ: how it is opened, how it ends, and the channels on it. A channel that fails ends its
 * connection, so that there is only one way to recover: another connection.
 */
import { Writable } from 'node:stream'
import { connect, type Channel, type ChannelModel, type ConfirmChannel } from 'amqplib'
import { LastcallError } from '../../errors.js'
import type { RabbitAddress } from './address.js'
import { asError } from './failures.js'

/** A server that does not answer the handshake in this time counts as unreachable. */
const CONNECT_TIMEOUT_MS = 3000
/**
 * The driver ends a connection after two of these intervals without a byte. With the server's own suggestion of 60 s, a
 * host that vanishes would delay every client by two minutes.
 */
const HEARTBEAT_SECONDS = 2
const CLOSE_TIMEOUT_MS = 1000
/** The bytes that the driver passes to the socket at once. They hold a batch of a few thousand small messages. */
const SOCKET_BUFFER_BYTES = 1024 * 1024

export class RabbitConnection {
  /** Resolves with the reason when the connection has ended. Never rejects. */
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
        // The driver ends its own side only, and the peer may be unreachable. The signal destroys the socket.
        abort.abort()
        resolve(asError(this.#reason ?? error))
      })
    })
  }

  /** @param signal Ends the attempt, and later the connection. */
  static async open(address: RabbitAddress, signal: AbortSignal): Promise<RabbitConnection> {
    signal.throwIfAborted()
    const abort = new AbortController()
    const onAbort = (): void => abort.abort()
    signal.addEventListener('abort', onAbort)
    // The signal destroys the socket, because the driver cannot end a connection whose peer does not answer.
    const socketOptions = {
      ...{ noDelay: true, timeout: CONNECT_TIMEOUT_MS, signal: abort.signal },
      writableHighWaterMark: SOCKET_BUFFER_BYTES,
      ...(address.ca && { ca: address.ca }),
    }
    try {
      const { protocol, hostname, port, username, password } = address
      // The driver decodes the name of the virtual host, as if it were a part of a URL.
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

  /**
   * Why the server does not read from this connection. It stops reading from publishers when it lacks memory or disk
   * space.
   */
  get blocked(): string | undefined {
    return this.#blocked
  }

  onBlockedChange(listener: () => void): void {
    this.#model.on('blocked', listener)
    this.#model.on('unblocked', listener)
  }

  /** Opens a channel whose failure does not end the connection: only its calls reject. */
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
   * Sends the messages of this turn of the event loop in one system call. Otherwise the driver makes a call and the
   * server a read for each message, which cost more than everything else about a small message.
   */
  gatherWrites(): void {
    const { connection } = this.#model
    // The types of the driver do not mention its socket.
    if (this.#isGathering || !('stream' in connection && connection.stream instanceof Writable)) return
    const { stream } = connection
    this.#isGathering = true
    stream.cork()
    // The driver passes its frames to the socket in the next turn, after the first of these callbacks.
    setImmediate(() =>
      setImmediate(() => {
        this.#isGathering = false
        stream.uncork()
      }),
    )
  }

  /** Ends the connection at once, without an answer of the server. */
  abort(reason: unknown): void {
    this.#reason ??= reason
    this.#abort.abort()
  }

  /** Ends the connection politely, or at once if the server does not answer. Always resolves. */
  async close(): Promise<void> {
    const timer = setTimeout(() => this.abort(new Error('the server did not answer')), CLOSE_TIMEOUT_MS)
    try {
      await Promise.race([this.#model.close(), this.ended])
    } catch {
      // The connection is closed or closing already.
      this.abort(new Error('closed'))
    }
    await this.ended
    clearTimeout(timer)
  }
}

const FIRST_VERSION = [3, 9] as const

/**
 * @throws {LastcallError} `journal_unusable`: this version of RabbitMQ has no streams. The check skips other
 *   products, which show it when the queue is declared.
 */
export function expectStreams({ product, version }: { readonly product?: unknown; readonly version?: unknown }): void {
  if (product !== 'RabbitMQ') return
  const [major = 0, minor = 0] = String(version).split('.').map(Number)
  if (major > FIRST_VERSION[0] || (major === FIRST_VERSION[0] && minor >= FIRST_VERSION[1])) return
  throw new LastcallError(
    'journal_unusable',
    `RabbitMQ ${String(version)} has no stream queues: version ${FIRST_VERSION.join('.')} or newer is needed`,
  )
}
