/** The access to the log in the queue: its newest part, its epoch, and the beginning of a new epoch. */
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
  /** How long the server may take to confirm a message, in milliseconds. */
  readonly timeoutMs: number
}

/**
 * After the beginning of an epoch, writers that have not read it yet may still write messages of the previous epoch.
 */
const SPARE_MESSAGES = 1000
const MARKER = Buffer.from('lastcall: an epoch begins here\n')

/** The log, read to its end. The consumption continues from there. */
export interface OpenLog {
  readonly reading: LogReading
  readonly consumption: Consumption
}

export interface OpenLogOptions {
  /** The number of messages at the end of the queue that are read at least. */
  readonly count: number
  readonly sink: LogSink
  /** Called for each message, after the sink. */
  readonly onMessage?: (message: LogMessage) => void
  readonly onTurn?: () => void
  /** The greatest known epoch. A new epoch is greater. */
  readonly highestSeen: Epoch
}

/**
 * Reads the end of the log, and begins the first epoch if there is none.
 *
 * @throws {LastcallError} `journal_unusable`: the queue contains messages, and none of them belongs to a journal.
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
    `the queue ${queue} contains messages of another program: name another queue with queue=NAME in the URL`,
  )
}

/** The offsets of its first and last message. */
export interface Chunk {
  readonly first: number
  readonly last: number
}

/**
 * The newest chunk, which is what the server wrote into the stream at once. In an empty queue this begins the first
 * epoch. Other instances may do the same at the same time, and a slow server may only seem to have an empty queue. No
 * reader counts a beginning that is not the first message.
 */
export async function newestChunk(access: LogAccess, highestSeen: Epoch): Promise<Chunk> {
  const { connection, queue, clock } = access
  for (;;) {
    const offsets: number[] = []
    const onMessage = ({ offset }: LogMessage): void => void offsets.push(offset)
    const consumption = await Consumption.start(connection, { queue, from: 'last', clock, onMessage })
    await consumption.caughtUp()
    // The first answer may have come before the first delivery. The server has begun to read the stream now.
    if (offsets.length > 0) await consumption.caughtUp()
    await consumption.close()
    const [first] = offsets
    if (first !== undefined) return { first, last: offsets.at(-1) ?? first }
    await beginEpoch(access, { highestSeen, supersedes: '' })
  }
}

/** Writes the beginning of an epoch. The readers of the log decide by its place whether it counts. */
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
 * Resolves when the server has accepted a message that it routes to no queue, which proves that the user may write. The
 * server checks permissions for each message, so without this the first client would discover the problem.
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
