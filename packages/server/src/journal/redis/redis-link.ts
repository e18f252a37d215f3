/**
 * One connection to a Redis server, and the only file that knows the driver. A link never reconnects: after an error it
 * has ended and rejects its commands, and its owner dials another one.
 */
import { createClient, ErrorReply, MultiErrorReply, RESP_TYPES } from '@redis/client'
import type { RedisAddress } from './redis-url.js'

export type Argument = string | Buffer

export interface TlsMaterial {
  readonly ca?: Buffer
  readonly cert?: Buffer
  readonly key?: Buffer
}

export interface LinkOptions {
  readonly address: RedisAddress
  readonly username: string | undefined
  readonly password: string | undefined
  readonly database: number
  readonly tls: TlsMaterial | undefined
  /**
   * The time in which the server must answer, in milliseconds: for the connection attempt, and for each command without
   * a limit of its own.
   */
  readonly timeoutMs: number
  /** Ends the attempt and the link. */
  readonly signal: AbortSignal
}

/** The first word of an error reply, such as OOM or WRONGTYPE. `undefined`: the error does not come from the server. */
export const replyCode = (error: unknown): string | undefined =>
  error instanceof ErrorReply ? error.message.split(' ', 1)[0] : undefined

function makeClient({ address: { host, port }, username, password, database, tls }: LinkOptions) {
  const common = { host, port, reconnectStrategy: false, noDelay: true } as const
  return createClient({
    RESP: 2,
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    database,
    disableOfflineQueue: true,
    maintNotifications: 'disabled',
    // 0 disables the limit of the driver. The link has its own limits, which also end the connection.
    commandOptions: { timeout: 0, typeMapping: { [RESP_TYPES.BLOB_STRING]: Buffer } },
    socket: tls ? { ...common, ...tls, tls: true } : common,
  })
}

type Client = ReturnType<typeof makeClient>

export class RedisLink {
  readonly address: RedisAddress
  readonly #client: Client
  readonly #timeoutMs: number
  readonly #signal: AbortSignal
  readonly #onAbort = (): void => this.destroy()
  #hasEnded = false
  #reason = new Error('the connection is open')
  #reportEnd: (reason: Error) => void = () => undefined
  /** Resolves with the reason when the connection has ended. */
  readonly ended = new Promise<Error>((resolve) => (this.#reportEnd = resolve))

  private constructor(options: LinkOptions) {
    this.address = options.address
    this.#timeoutMs = options.timeoutMs
    this.#signal = options.signal
    this.#client = makeClient(options)
    this.#client.on('error', (error: unknown) => this.destroy(error))
    options.signal.addEventListener('abort', this.#onAbort)
  }

  /** Rejects with the error of the system or of the server. */
  static async connect(options: LinkOptions): Promise<RedisLink> {
    options.signal.throwIfAborted()
    const link = new RedisLink(options)
    // The driver does not end an attempt whose socket was destroyed before it was connected.
    const end = link.ended.then((reason) => {
      throw reason
    })
    try {
      await Promise.race([link.#within(options.timeoutMs, link.#client.connect()), end])
      return link
    } catch (error) {
      link.destroy(error)
      throw error
    }
  }

  /**
   * Resolves with the reply: buffers for bulk strings, `null` for nil. Rejects with an error reply, or when the link
   * has ended.
   */
  call(args: readonly Argument[], timeoutMs = this.#timeoutMs): Promise<unknown> {
    return this.#within(timeoutMs, this.#client.sendCommand<unknown>(args))
  }

  /**
   * Executes commands in one MULTI. Bulk strings in the replies are strings. Rejects with the first error reply of any
   * command.
   */
  async transact(commands: readonly (readonly Argument[])[]): Promise<readonly unknown[]> {
    const multi = this.#client.multi()
    for (const args of commands) multi.addCommand([...args])
    try {
      return await this.#within(this.#timeoutMs, multi.exec())
    } catch (error) {
      throw error instanceof MultiErrorReply ? (error.replies[error.errorIndexes[0] ?? 0] ?? error) : error
    }
  }

  destroy(cause: unknown = new Error('the connection was closed here')): void {
    if (this.#hasEnded) return
    this.#hasEnded = true
    const reason = cause instanceof Error ? cause : new Error(String(cause))
    this.#reason = reason
    this.#signal.removeEventListener('abort', this.#onAbort)
    this.#client.destroy()
    this.#reportEnd(reason)
  }

  /**
   * A server that does not answer in time counts as lost. If the link stayed, the late answer would be taken for that
   * of the next command.
   */
  #within<T>(timeoutMs: number, answer: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.destroy(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs)
      answer.then(
        (reply) => {
          clearTimeout(timer)
          resolve(reply)
        },
        (error: unknown) => {
          clearTimeout(timer)
          if (!(error instanceof ErrorReply)) this.destroy(error)
          // After the end of a link, the driver only reports that the connection is closed. The reason of the end helps
          // more.
          reject(error instanceof ErrorReply ? error : this.#reason)
        },
      )
    })
  }
}
