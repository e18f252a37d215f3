/** A message of the queue: how entries and the beginnings of epochs are represented in AMQP. */
import { randomInt } from 'node:crypto'
import type { ConsumeMessage, Options } from 'amqplib'

/**
 * 16 hexadecimal digits: the milliseconds since 1970 and 20 random bits. Epochs of one journal compare as texts, and a
 * later one is greater. So a reader that starts after the beginning of an epoch was trimmed knows which epoch counts.
 */
export type Epoch = string

const EPOCH = /^[0-9a-f]{16}$/
const RANDOM_BITS = 20n
/** The type of a message that begins an epoch (a marker). */
const MARKER_TYPE = 'lastcall.epoch'

export interface LogMessage {
  /** The offset in the stream. */
  readonly offset: number
  /**
   * Of an entry: the epoch in which its writer was. Of a marker: the epoch that it begins. `''`: another program wrote
   * the message.
   */
  readonly epoch: Epoch
  /** Of a marker only: the epoch that it ends; `''` for the first marker. */
  readonly supersedes: Epoch | undefined
  /** The id that its writer gave it. `''`: it has none. */
  readonly id: string
  readonly bytes: Buffer
}

/** An epoch that is greater than every one seen so far, whatever the clock says. */
export function newEpoch(nowMs: number, highestSeen: Epoch): Epoch {
  const byClock = (BigInt(Math.trunc(nowMs)) << RANDOM_BITS) | BigInt(randomInt(2 ** Number(RANDOM_BITS)))
  const next = highestSeen === '' ? 0n : BigInt(`0x${highestSeen}`) + 1n
  return (byClock > next ? byClock : next).toString(16).padStart(16, '0')
}

/**
 * `mandatory` makes the server return a message to a queue that does not exist. Without it, the server only confirms
 * such a message.
 */
export const entryProperties = (epoch: Epoch, id: string): Options.Publish => ({
  ...{ appId: epoch, messageId: id, mandatory: true },
})

export const markerProperties = (epoch: Epoch, supersedes: Epoch): Options.Publish => ({
  ...{ appId: epoch, type: MARKER_TYPE, mandatory: true },
  ...(supersedes !== '' && { correlationId: supersedes }),
})

export function readMessage({ properties, content }: ConsumeMessage): LogMessage {
  const epoch = epochOf(properties.appId)
  const isMarker = properties.type === MARKER_TYPE && epoch !== ''
  return {
    offset: Number(properties.headers?.['x-stream-offset']),
    epoch,
    supersedes: isMarker ? epochOf(properties.correlationId) : undefined,
    id: typeof properties.messageId === 'string' ? properties.messageId : '',
    bytes: content,
  }
}

const epochOf = (text: unknown): Epoch => (typeof text === 'string' && EPOCH.test(text) ? text : '')
