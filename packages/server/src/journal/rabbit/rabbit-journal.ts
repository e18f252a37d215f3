/**
 * `amqp:` and `amqps:`: a stream queue of RabbitMQ to which any number of instances append, and which they read. The
 * stream's offsets are the journal's, so all readers see one order. One connection writes, and each tail has one of its
 * own.
 */
import type { Clock } from '../../clock.js'
import { LastcallError } from '../../errors.js'
import type { Logger } from '../../observability/log.js'
import { encodeEntry } from '../entry-codec.js'
import type { EngineRetention, Journal, JournalListener, NewEntry, Tail } from '../journal.js'
import { openPatiently } from '../open-patiently.js'
import { expectToFit } from '../retention.js'
import { parseRabbitUrl, type RabbitAddress } from './address.js'
import type { RabbitConnection } from './connection.js'
import { explain, unavailable } from './failures.js'
import { Link } from './link.js'
import { expectToBeWritable, openLog, type LogAccess } from './log-access.js'
import type { Epoch } from './log-message.js'
import { argumentsFor, declareQueue, type QueueArguments } from './queue.js'
import { Reader } from './reader.js'
import { Writer } from './writer.js'

export interface RabbitJournalOptions {
  readonly retention: EngineRetention
  readonly clock: Clock
  readonly log: Logger
  /** The time in which RabbitMQ must confirm an append, in milliseconds. */
  readonly timeoutMs: number
  /** Ends the attempts to open the journal. */
  readonly signal?: AbortSignal
}

/** RabbitMQ 4 refuses larger messages by default (max_message_size). */
const MAX_MESSAGE_BYTES = 16 * 1024 * 1024

/**
 * Creates the queue unless it exists.
 *
 * @throws {LastcallError} `config_invalid`: the URL is not valid. `journal_unusable`: waiting does not help, for
 *   example with a wrong password or a queue of another type. `journal_unavailable`: the server cannot be reached or is
 *   starting.
 */
export async function openRabbitJournal(url: string, options: RabbitJournalOptions): Promise<Journal> {
  const journal = new RabbitJournal(parseRabbitUrl(url), options)
  await journal.open()
  return journal
}

class RabbitJournal implements Journal {
  readonly isShared = true
  readonly #address: RabbitAddress
  readonly #options: RabbitJournalOptions
  readonly #writer: Writer
  readonly #writing: Link
  /** The readers that have begun. */
  readonly #readers = new Set<Reader>()
  readonly #beginning = new Set<Reader>()
  readonly #queueArguments: QueueArguments
  #hasWarned = false
  #epoch: Epoch = ''
  #highestSeen: Epoch = ''
  #isAvailable = true
  readonly #ending = new AbortController()
  #closed: Promise<void> | undefined

  constructor(address: RabbitAddress, options: RabbitJournalOptions) {
    const { clock, timeoutMs } = options
    this.#address = address
    this.#options = options
    this.#queueArguments = argumentsFor(options.retention)
    const onProblemChange = (): void => this.#tellAvailability()
    const isRead = (): boolean => this.#readers.size > 0
    this.#writer = new Writer({ queue: address.queue, clock, timeoutMs, onProblemChange, isRead })
    this.#writing = new Link({
      address,
      setUp: (connection) => this.#setUpWriter(connection),
      onDown: (reason) => this.#writer.detach(reason),
      onUp: () => this.#tellAvailability(),
    })
  }

  async open(): Promise<void> {
    const { signal } = this.#options
    const giveUp = (): void => void this.#writing.close()
    signal?.addEventListener('abort', giveUp)
    try {
      await this.#writing.open()
    } catch (error) {
      await this.#writing.close()
      throw explain(error, this.#address)
    } finally {
      signal?.removeEventListener('abort', giveUp)
    }
  }

  async #setUpWriter(connection: RabbitConnection): Promise<void> {
    const access = await this.#prepare(connection)
    const channel = await connection.openConfirmChannel()
    await expectToBeWritable(channel, access)
    // The tails know the epoch, but there may be none yet, and an entry that is written into an epoch that has ended is
    // lost.
    const sink = { onEpoch: () => undefined, onEntry: () => undefined }
    const { reading, consumption } = await openLog(access, { count: 0, sink, highestSeen: this.#highestSeen })
    await consumption.close()
    // The queue may have been replaced since the last connection. If there are tails, they discover it.
    if (this.#readers.size === 0) this.#epoch = ''
    this.#adopt(reading.epoch, reading.highestEpoch)
    this.#writer.attach(connection, channel)
  }

  async #prepare(connection: RabbitConnection): Promise<LogAccess> {
    const { queue } = this.#address
    const { clock, log, timeoutMs } = this.#options
    const current = await declareQueue(connection, queue, this.#queueArguments)
    if (current !== this.#queueArguments && !this.#hasWarned) {
      this.#hasWarned = true
      log.warn('config', { queue, wanted: this.#queueArguments, current }, 'the queue exists with other limits')
    }
    return { connection, queue, clock, timeoutMs }
  }

  /** Uses the latest epoch that a tail or the writer has found for the entries from now on. */
  #adopt(epoch: Epoch, highestSeen: Epoch): void {
    if (highestSeen > this.#highestSeen) this.#highestSeen = highestSeen
    if (epoch <= this.#epoch) return
    // Entries that were written into the old epoch after its end do not count, although the server confirms them.
    if (this.#epoch !== '') this.#writer.failAll(new Error('the journal was replaced'))
    this.#epoch = epoch
  }

  // ——— appending

  async append(entries: readonly NewEntry[]): Promise<void> {
    this.#expectOpen()
    const bodies = entries.map(encodeEntry)
    for (const { length } of bodies) this.#expectToFit(length)
    if (bodies.length === 0) return
    try {
      const problem = this.#problem
      if (problem) throw problem
      await this.#writer.send(bodies, this.#epoch)
    } catch (error) {
      throw unavailable(error, this.#address)
    }
  }

  #expectToFit(bytes: number): void {
    expectToFit(bytes, this.#options.retention)
    if (bytes <= MAX_MESSAGE_BYTES) return
    const text = `an entry of ${bytes} bytes: a message of RabbitMQ may have ${MAX_MESSAGE_BYTES}`
    throw new LastcallError('entry_too_large', text)
  }

  /**
   * Why the journal takes no entries. A tail that has lost its connection may find another log than the one it has
   * read. Entries that are written before the tail has checked the log could belong to an epoch that ends.
   */
  get #problem(): Error | undefined {
    return this.#writer.problem ?? [...this.#readers].find(({ problem }) => problem !== undefined)?.problem
  }

  #tellAvailability(): void {
    const problem = this.#problem
    if (this.#closed || this.#isAvailable === (problem === undefined)) return
    this.#isAvailable = problem === undefined
    const error = problem === undefined ? undefined : unavailable(problem, this.#address)
    for (const { listener } of [...this.#readers]) listener?.onAvailability(this.#isAvailable, error)
  }

  // ——— reading

  /** Waits while the server cannot be reached, because the connection may have ended since `open`. */
  async tail(listener: JournalListener): Promise<Tail> {
    this.#expectOpen()
    const { log, signal } = this.#options
    const signals = [this.#ending.signal, ...(signal ? [signal] : [])]
    const reader = await openPatiently(() => this.#openReader(listener), { log, signal: AbortSignal.any(signals) })
    if (this.#closed) await reader.close()
    else this.#add(reader)
    return { stop: () => this.#remove(reader) }
  }

  /** Makes one attempt. */
  async #openReader(listener: JournalListener): Promise<Reader> {
    const { retention, log } = this.#options
    const reader = new Reader({
      ...{ address: this.#address, retention, listener, log },
      prepare: (connection) => this.#prepare(connection),
      highestSeen: () => this.#highestSeen,
      onEpoch: (epoch, highestSeen) => this.#adopt(epoch, highestSeen),
      isOwn: (id) => this.#writer.isOwn(id),
      onOwnRead: (id) => this.#writer.onRead(id),
      onProblemChange: () => this.#tellAvailability(),
    })
    this.#beginning.add(reader)
    try {
      await reader.open()
      return reader
    } catch (error) {
      await reader.close()
      throw explain(error, this.#address)
    } finally {
      this.#beginning.delete(reader)
    }
  }

  #add(reader: Reader): void {
    this.#readers.add(reader)
    if (!this.#isAvailable) reader.listener?.onAvailability(false, unavailable(this.#problem, this.#address))
    else this.#tellAvailability()
  }

  async #remove(reader: Reader): Promise<void> {
    this.#readers.delete(reader)
    reader.mute()
    this.#writer.settle()
    this.#tellAvailability()
    await reader.close()
  }

  // ——— closing

  close(): Promise<void> {
    return (this.#closed ??= this.#shutDown())
  }

  async #shutDown(): Promise<void> {
    this.#ending.abort()
    const readers = [...this.#readers, ...this.#beginning]
    for (const reader of readers) reader.mute()
    await this.#writer.settled()
    await Promise.all([this.#writing.close(), ...readers.map((reader) => reader.close())])
  }

  #expectOpen(): void {
    if (this.#closed) throw new LastcallError('wrong_state', 'the journal is closed')
  }
}
