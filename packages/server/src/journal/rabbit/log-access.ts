/**
 * The log in the queue as it is now: its newest part, its epoch, and the beginning of a new one.
 */
import type { ConfirmChannel } from 'amqplib'
import type { Clock } from '../../clock.js'
import { LastcallError } from '../../errors.js'
import type { RabbitConnection } from './connection.js'
import { Consumption } from './consumption.js'
import { LogReading, type LogSink } from './log-reading.js'
import { markerProperties, newEpoch, type Epoch, type LogMessage } from './log-message.js'

export interface LogAccess {
  readonly connection: RabbitConnection
  readonly queue: string
  readonly clock: Clock
  /** How long the server may take to confirm a message. Milliseconds. */
  readonly timeoutMs: number
}

/** Behind the beginning of an epoch, writers that have not read it yet may still write into the one before. */
const SPARE_MESSAGES = 1000
const MARKER = Buffer.from('lastcall: an epoch begins here\n')

/** The log is being read from here on, and everything that was there has been read. */
export interface OpenLog {
  readonly reading: LogReading
  readonly consumption: Consumption
}

export interface OpenLogOptions {
  /** So many messages at the end, at least. */
  readonly count: number
  readonly sink: LogSink
  /** Called for each message, after the sink. */
  readonly onMessage?: (message: LogMessage) => void
  readonly onTurn?: () => void
  /** The greatest epoch that is known of: a new one is greater. */
  readonly highestSeen: Epoch
}

/**
 * Reads the end of the log; begins its first epoch where there is none.
 *
 * @throws {LastcallError} `journal_unusable`: the queue holds messages, and none of them is of a journal.
 */
export async function openLog(access: LogAccess, options: OpenLogOptions): Promise<OpenLog> {
  const newest = await newestChunk(access, options.highestSeen)
  return readFrom(access, options, Math.max(0, newest.first - options.count - SPARE_MESSAGES), newest)
}

async function readFrom(access: LogAccess, options: OpenLogOptions, from: number, newest: Chunk): Promise<OpenLog> {
  const { connection, queue, clock } = access
  const reading = new LogReading(options.sink)
  const onMessage = (message: LogMessage): void => {
    reading.take(message)
    options.onMessage?.(message)
  }
  const { onTurn } = options
  const consumption = await Consumption.start(connection, { queue, from, clock, onMessage, ...(onTurn && { onTurn }) })
  while (reading.nextOffset <= newest.last) await consumption.caughtUp()
  if (reading.epoch !== '') return { reading, consumption }
  await consumption.close()
  if (from > 0) return readFrom(access, options, 0, newest)
  throw new LastcallError(
    'journal_unusable',
    `the queue ${queue} holds messages of something else: name another one with queue=NAME in the URL`,
  )
}

/** The offsets of its first and last message. */
export interface Chunk {
  readonly first: number
  readonly last: number
}

/**
 * What the server wrote into the stream at once, last. In an empty queue the first epoch is begun; other instances may do
 * so at the same time, and a server that is slow may only seem to have an empty one. A beginning that is not the first
 * message does not count, for any reader.
 */
export async function newestChunk(access: LogAccess, highestSeen: Epoch): Promise<Chunk> {
  const { connection, queue, clock } = access
  for (;;) {
    const offsets: number[] = []
    const onMessage = ({ offset }: LogMessage): void => void offsets.push(offset)
    const consumption = await Consumption.start(connection, { queue, from: 'last', clock, onMessage })
    await consumption.caughtUp()
    // It may have answered before its first delivery: now it is known to have read the stream.
    if (offsets.length > 0) await consumption.caughtUp()
    await consumption.close()
    const [first] = offsets
    if (first !== undefined) return { first, last: offsets.at(-1) ?? first }
    await beginEpoch(access, { highestSeen, supersedes: '' })
  }
}

/** Writes the beginning of an epoch. Whether it is in force is for the log's readers to say, by its place. */
export async function beginEpoch(
  access: LogAccess,
  { highestSeen, supersedes }: { readonly highestSeen: Epoch; readonly supersedes: Epoch },
): Promise<void> {
  const channel = await access.connection.openConfirmChannel()
  const epoch = newEpoch(access.clock.now(), highestSeen)
  await publishAlone(channel, access, { key: access.queue, epoch, supersedes })
  await channel.close()
}

/**
 * Resolves when the server has taken a message that goes nowhere: this user may write. The server checks permissions when
 * a message comes, so that without this the first client would learn of it.
 */
export async function expectToBeWritable(channel: ConfirmChannel, access: LogAccess): Promise<void> {
  await publishAlone(channel, access, { key: `${access.queue}.nowhere`, epoch: '', supersedes: '' })
}

function publishAlone(
  channel: ConfirmChannel,
  { timeoutMs, connection }: LogAccess,
  { key, epoch, supersedes }: { readonly key: string; readonly epoch: Epoch; readonly supersedes: Epoch },
): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      const { blocked } = connection
      const error = new Error(
        blocked === undefined
          ? `it did not confirm a message within ${timeoutMs} ms`
          : `it takes no messages: ${blocked}`,
      )
      reject(error)
      connection.abort(error)
    }, timeoutMs)
    channel.publish('', key, MARKER, markerProperties(epoch, supersedes), (error: unknown) => {
      clearTimeout(timer)
      if (error instanceof Error) reject(error)
      else resolve()
    })
  })
}
