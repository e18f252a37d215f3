/**
 * Appends to the queue on one channel. The server confirms the messages that it has taken, and appends are settled in
 * the order of the calls. The writer knows why it cannot take entries at the moment; it does not know how a connection
 * is made.
 */
import { randomBytes } from 'node:crypto'
import type { ConfirmChannel } from 'amqplib'
import type { Clock } from '../../clock.js'
import type { RabbitConnection } from './connection.js'
import { entryProperties, type Epoch } from './log-message.js'

export interface WriterOptions {
  readonly queue: string
  readonly clock: Clock
  /** The time in which the server must confirm an append, in milliseconds. */
  readonly timeoutMs: number
  readonly onProblemChange: () => void
  /** Whether a tail reads the entries that are appended. */
  readonly isRead: () => boolean
}

/** An append that has been sent and is not settled. */
interface Append {
  /** The number of its entries that are not confirmed yet. */
  left: number
  /** The number of messages that had been sent on the channel after its last one. */
  readonly end: number
  isSettled: boolean
  readonly sentAtMs: number
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

/** A channel and its state. */
interface Outlet {
  /** The beginning of the ids of the messages on it. A number follows: 1, 2, 3 … */
  readonly prefix: string
  sent: number
  /** The number of the last message that a tail has read. The server keeps the order of a channel. */
  read: number
  readonly connection: RabbitConnection
  readonly channel: ConfirmChannel
  /** The number of messages that are not confirmed, including those of failed appends. */
  unconfirmed: number
  /** Set while confirmations are missing for longer than the timeout. */
  overdue: Error | undefined
}

/**
 * The writer ends a connection after this many timeouts without a confirmation, because the next connection may work
 * better.
 */
const GIVE_UP_FACTOR = 5

export class Writer {
  readonly #options: WriterOptions
  #outlet: Outlet | undefined
  #lost = new Error('there is no connection yet')
  #appends: Append[] = []
  #stopTimer: (() => void) | undefined
  #onSettled: (() => void)[] = []

  constructor(options: WriterOptions) {
    this.#options = options
  }

  /** Why nothing can be appended at the moment. `undefined`: the writer appends. */
  get problem(): Error | undefined {
    if (!this.#outlet) return this.#lost
    const { connection, overdue } = this.#outlet
    return connection.blocked === undefined ? overdue : new Error(`it takes no messages: ${connection.blocked}`)
  }

  attach(connection: RabbitConnection, channel: ConfirmChannel): void {
    const outlet: Outlet = {
      ...{ prefix: `${randomBytes(6).toString('base64url')}.`, sent: 0, read: 0, connection, channel },
      ...{ unconfirmed: 0, overdue: undefined },
    }
    this.#outlet = outlet
    // The server returns a message of a queue that does not exist before it confirms it.
    channel.on('return', () => connection.abort(new Error(`there is no queue ${this.#options.queue}`)))
    connection.onBlockedChange(() => this.#options.onProblemChange())
    this.#options.onProblemChange()
  }

  /** The connection has ended. The entries under way may be in the queue, may still arrive there, or are lost. */
  detach(reason: Error): void {
    this.#outlet = undefined
    this.#lost = reason
    this.failAll(reason)
    this.#options.onProblemChange()
  }

  /**
   * Sends an append. The caller calls it only while there is no problem. After a rejection, no append that was sent
   * earlier resolves any more.
   */
  send(bodies: readonly Buffer[], epoch: Epoch): Promise<void> {
    return new Promise((resolve, reject) => {
      const outlet = this.#outlet
      if (!outlet) {
        reject(this.#lost)
        return
      }
      const sentAtMs = this.#options.clock.monotonic()
      const end = outlet.sent + bodies.length
      const append: Append = { left: bodies.length, end, isSettled: false, sentAtMs, resolve, reject }
      this.#appends.push(append)
      const onConfirm = (error: unknown): void => this.#onConfirm(outlet, append, error)
      try {
        outlet.connection.gatherWrites()
        for (const body of bodies) {
          const id = `${outlet.prefix}${++outlet.sent}`
          outlet.channel.publish('', this.#options.queue, body, entryProperties(epoch, id), onConfirm)
          outlet.unconfirmed++
        }
      } catch (error) {
        // The channel is closing. The end of its connection rejects the appends under way.
        outlet.connection.abort(error)
      }
      this.#stopTimer ??= this.#watch(append)
    })
  }

  #onConfirm(outlet: Outlet, append: Append, error: unknown): void {
    outlet.unconfirmed--
    if (outlet.overdue && outlet.unconfirmed === 0 && outlet === this.#outlet) {
      outlet.overdue = undefined
      this.#options.onProblemChange()
    }
    if (append.isSettled) return
    // The server could not write the message, or the channel is gone. The appends that were sent after it fail, too.
    if (error) outlet.connection.abort(error)
    else if (--append.left === 0) this.settle()
  }

  /** Whether the message with this id was sent on the present channel. */
  isOwn(id: string): boolean {
    return this.#outlet !== undefined && id.startsWith(this.#outlet.prefix)
  }

  /** A tail has read the message with this id, and all that were sent before it. */
  onRead(id: string): void {
    const outlet = this.#outlet
    if (!outlet || !this.isOwn(id)) return
    outlet.read = Math.max(outlet.read, Number(id.slice(outlet.prefix.length)))
    this.settle()
  }

  /**
   * Settles appends in their order: of two appends of this instance, the earlier one never fails after the later one
   * has resolved. If a tail reads, a confirmation is not enough: a server that crashes can lose messages that it has
   * confirmed, and the publisher would wait without end for an entry that is neither read back nor rejected.
   */
  settle(): void {
    const read = this.#options.isRead() ? (this.#outlet?.read ?? 0) : Infinity
    const firstPending = this.#appends.findIndex(({ left, end }) => left > 0 || end > read)
    const count = firstPending < 0 ? this.#appends.length : firstPending
    for (const append of this.#appends.splice(0, count)) {
      append.isSettled = true
      append.resolve()
    }
    this.#tellSettled()
  }

  failAll(reason: Error): void {
    for (const append of this.#appends.splice(0)) {
      append.isSettled = true
      append.reject(reason)
    }
    this.#tellSettled()
  }

  #watch({ sentAtMs }: Append): () => void {
    const { clock, timeoutMs } = this.#options
    return clock.after(Math.max(1, sentAtMs + timeoutMs - clock.monotonic()), () => {
      this.#stopTimer = undefined
      const oldest = this.#appends[0]
      if (!oldest) return
      if (oldest.sentAtMs + timeoutMs > clock.monotonic()) this.#stopTimer = this.#watch(oldest)
      else this.#onOverdue()
    })
  }

  /** The connection stays, because the messages that were sent on it precede those that are sent on it later. */
  #onOverdue(): void {
    const outlet = this.#outlet
    const { clock, timeoutMs, onProblemChange } = this.#options
    const isConfirmed = outlet?.unconfirmed === 0
    const error = new Error(`it did not ${isConfirmed ? 'deliver' : 'confirm'} entries within ${timeoutMs} ms`)
    if (outlet && !isConfirmed) {
      outlet.overdue = error
      clock.after(GIVE_UP_FACTOR * timeoutMs, () => {
        if (outlet.overdue === error && outlet.connection.blocked === undefined) outlet.connection.abort(error)
      })
    }
    this.failAll(this.problem ?? error)
    onProblemChange()
  }

  #tellSettled(): void {
    if (this.#appends.length > 0) return
    this.#stopTimer?.()
    this.#stopTimer = undefined
    for (const resolve of this.#onSettled.splice(0)) resolve()
  }

  /** Resolves when nothing is under way. */
  settled(): Promise<void> {
    if (this.#appends.length === 0) return Promise.resolve()
    return new Promise((resolve) => this.#onSettled.push(resolve))
  }
}
