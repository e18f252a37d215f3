/**
 * Appends to the stream. Appends that arrive while one is under way share the next transaction. The writer has a
 * connection of its own and reconnects; while the server cannot be reached or refuses to write, it refuses appends at
 * once.
 */
import { setTimeout } from 'node:timers/promises'
import type { LastcallError } from '../../errors.js'
import type { Logger } from '../../observability/log.js'
import { ReconnectBackoff } from '../reconnect-backoff.js'
import type { ByteBudget } from './byte-budget.js'
import { isEpoch, type Epochs } from './epochs.js'
import type { OwnPlace } from './log-matching.js'
import type { RedisLink } from './redis-link.js'
import { asUnavailable, explain, StreamBroken } from './redis-problems.js'
import { RedisStream } from './redis-stream.js'

export interface WriterOptions {
  readonly dial: (signal: AbortSignal) => Promise<RedisLink>
  /** The server, for messages. */
  readonly where: string
  readonly key: string
  /** The number of entries that Redis keeps at least. */
  readonly maxEntries: number
  readonly epochs: Epochs
  readonly budget: ByteBudget
  readonly log: Logger
  /** Redis has confirmed an append. Its last entry is at this place. */
  readonly onConfirmed: (place: OwnPlace) => void
  /** Reports at each change why nothing can be appended. `undefined`: the writer appends. */
  readonly onState: (error: LastcallError | undefined) => void
}

interface Append {
  /**
   * The entries are texts, because the driver joins the texts of a command into one piece. A buffer becomes three
   * pieces, which the socket writes one by one.
   */
  readonly entries: readonly string[]
  /** The number of its entries that have been appended. */
  done: number
  readonly resolve: () => void
  readonly reject: (error: LastcallError) => void
}

/**
 * The limits of one transaction. The server holds a transaction in memory, and executes nothing else at the same time.
 */
const MAX_TRANSACTION_ENTRIES = 500
const MAX_TRANSACTION_BYTES = 1024 * 1024
const TRIM_INTERVAL_MS = 1000

export class RedisWriter {
  readonly #options: WriterOptions
  readonly #stopping = new AbortController()
  #stream: RedisStream | undefined
  #error: LastcallError | undefined
  #epoch = ''
  #waiting: Append[] = []
  #isSending = false
  #onIdle: (() => void) | undefined

  constructor(options: WriterOptions) {
    this.#options = options
  }

  /**
   * Connects, and creates the stream if it does not exist.
   *
   * @throws {LastcallError} `journal_unavailable`; `config_invalid` or `journal_unusable`: a retry does not help.
   */
  async open(): Promise<void> {
    const { where, dial } = this.#options
    const { signal } = this.#stopping
    try {
      const link = await dial(signal)
      const stream = new RedisStream(link, this.#options.key)
      await this.#prepare(stream).catch((error: unknown) => {
        link.destroy(error)
        throw error
      })
      this.#stream = stream
    } catch (error) {
      throw explain(error, where)
    }
  }

  /** Keeps the connection open until the writer is stopped. The caller calls it after `open`. */
  async run(): Promise<void> {
    const { signal } = this.#stopping
    const { where } = this.#options
    const backoff = new ReconnectBackoff()
    while (!signal.aborted) {
      try {
        if (!this.#stream) await this.open()
        backoff.reset()
        this.#setState(undefined)
        await this.#serve()
      } catch (error) {
        this.#setState(explain(error, where))
      }
      this.#stream?.link.destroy()
      this.#stream = undefined
      await backoff.wait(signal)
    }
  }

  /** Ends the connection at once. */
  stop(): void {
    this.#stopping.abort()
  }

  /** Resolves when no append is under way. */
  async settled(): Promise<void> {
    if (this.#waiting.length > 0 || this.#isSending) await new Promise<void>((resolve) => (this.#onIdle = resolve))
  }

  append(entries: readonly string[]): Promise<void> {
    const error = this.#error
    if (error) return Promise.reject(asUnavailable(error))
    return new Promise((resolve, reject) => {
      this.#waiting.push({ entries, done: 0, resolve, reject })
      if (!this.#isSending) void this.#send()
    })
  }

  async #prepare(stream: RedisStream): Promise<void> {
    const { epochs, log, key, where } = this.#options
    let head = await stream.head()
    if (!head) {
      const epoch = epochs.next()
      if (await stream.begin(epoch)) log.warn('journal.epoch', { key, newEpoch: epoch }, `${where}: there is no stream`)
      head = await stream.head()
    }
    if (!head) throw new Error('the stream was removed as soon as it was made')
    if (!isEpoch(head.epoch)) throw new StreamBroken('the key holds a stream of another program')
    epochs.saw(head.epoch)
    this.#epoch = head.epoch
    await stream.expectWritable()
  }

  /** Serves appends until the link ends. Rejects with the reason. */
  async #serve(): Promise<void> {
    const stream = this.#stream
    if (!stream) return
    const over = new AbortController()
    const end = stream.link.ended.then((reason) => {
      over.abort()
      throw reason
    })
    const trimming = async (): Promise<void> => {
      while (!over.signal.aborted) {
        await setTimeout(TRIM_INTERVAL_MS, undefined, { signal: over.signal })
        const place = this.#options.budget.takeTrimPoint()
        if (place) await stream.trimBefore(place)
      }
    }
    await Promise.race([end, trimming()])
  }

  #setState(error: LastcallError | undefined): void {
    if (this.#stopping.signal.aborted && error === undefined) return
    const hadError = this.#error
    this.#error = error
    if (error) for (const append of this.#waiting.splice(0)) append.reject(asUnavailable(error))
    if (hadError?.message !== error?.message) this.#options.onState(error)
  }

  // ——— appending

  async #send(): Promise<void> {
    this.#isSending = true
    // The transaction begins in the next turn, so that it contains all appends of this turn.
    await Promise.resolve()
    while (this.#waiting.length > 0) {
      const batch = takeBatch(this.#waiting)
      try {
        await this.#append(batch.entries)
        batch.settle()
        while (this.#waiting[0] && isDone(this.#waiting[0])) this.#waiting.shift()?.resolve()
      } catch (error) {
        const problem = explain(error, this.#options.where)
        this.#setState(problem)
        this.#stream?.link.destroy(error)
      }
    }
    this.#isSending = false
    this.#onIdle?.()
  }

  async #append(entries: readonly string[]): Promise<void> {
    const stream = this.#stream
    if (!stream) throw new Error('there is no connection')
    const outcome = await stream.append(this.#epoch, entries, this.#options.maxEntries)
    if (outcome === 'gone') throw new Error('the stream is gone')
    if (outcome === 'old-epoch') throw new Error('another instance has begun a new epoch')
    this.#options.onConfirmed({ ...outcome, bytes: Buffer.from(entries.at(-1) ?? '') })
  }
}

interface Batch {
  readonly entries: readonly string[]
  /** Notes that the entries are appended. */
  readonly settle: () => void
}

/** At least one of the waiting entries, and as many as one transaction may hold. */
function takeBatch(waiting: readonly Append[]): Batch {
  const entries: string[] = []
  const counts = new Map<Append, number>()
  let bytes = 0
  for (const append of waiting) {
    for (let index = append.done; index < append.entries.length; index++) {
      const entry = append.entries[index]
      if (entry === undefined) break
      bytes += Buffer.byteLength(entry)
      const isFull = entries.length === MAX_TRANSACTION_ENTRIES || bytes > MAX_TRANSACTION_BYTES
      if (isFull && entries.length > 0) return { entries, settle: () => note(counts) }
      entries.push(entry)
      counts.set(append, index + 1)
    }
  }
  return { entries, settle: () => note(counts) }
}

function note(counts: ReadonlyMap<Append, number>): void {
  for (const [append, done] of counts) append.done = done
}

const isDone = ({ entries, done }: Append): boolean => done === entries.length
