/** The queue of the journal: a stream, its limits, and its declaration if it exists already. */
import type { EngineRetention } from '../journal.js'
import type { RabbitConnection } from './connection.js'

/** By name, as the server knows them. */
export type QueueArguments = Readonly<Record<string, string | number>>

const MIB = 1024 * 1024
const MIN_SEGMENT_BYTES = MIB
const MAX_SEGMENT_BYTES = 64 * MIB
/** The server removes complete segments, and never the newest one. */
const MIN_SEGMENTS = 4
const SEGMENTS = 16

/**
 * The arguments of the declaration. `maxBytes` is twice what the readers' windows hold: the server counts the bytes of
 * its segments, in which a small entry takes up to twice its size, because each message has properties.
 */
export function argumentsFor({ maxBytes }: Pick<EngineRetention, 'maxBytes'>): QueueArguments {
  const segmentBytes = Math.round(Math.min(MAX_SEGMENT_BYTES, Math.max(MIN_SEGMENT_BYTES, maxBytes / SEGMENTS)))
  return {
    'x-queue-type': 'stream',
    'x-stream-max-segment-size-bytes': segmentBytes,
    'x-max-length-bytes': Math.max(Math.ceil(maxBytes), MIN_SEGMENTS * segmentBytes),
  }
}

/**
 * Arguments that may differ from the requested ones: another instance has another HISTORY_BYTES, or an operator has
 * declared the queue. The server compares arguments in an order of its own and reports one difference at a time.
 */
const ADJUSTABLE: readonly string[] = [
  ...['x-max-length-bytes', 'x-stream-max-segment-size-bytes', 'x-max-age'],
  ...['x-initial-cluster-size', 'x-queue-leader-locator', 'x-stream-filter-size-bytes'],
]

/** Creates the queue unless it exists. Resolves with the arguments that it has. */
export async function declareQueue(
  connection: RabbitConnection,
  name: string,
  wanted: QueueArguments,
): Promise<QueueArguments> {
  let current = wanted
  for (let differences = 0; ; differences++) {
    // The server closes a channel on which a declaration fails.
    const channel = await connection.openChannelToTry()
    try {
      await channel.assertQueue(name, { durable: true, arguments: current })
      await channel.close()
      return current
    } catch (error) {
      const adjusted = differences < ADJUSTABLE.length ? adjustedTo(current, error) : undefined
      if (!adjusted) throw error
      current = adjusted
    }
  }
}

/** The text of RabbitMQ since 3.8: `inequivalent arg 'NAME' for queue …: received … but current is …`. */
const DIFFERENCE = /inequivalent arg '([^']+)' for queue .* but current is (?:none|(?:the value )?'([^']*)')/s

/** `undefined`: the error reports no difference that can be accepted. */
export function adjustedTo(wanted: QueueArguments, error: unknown): QueueArguments | undefined {
  const [, name, value] = DIFFERENCE.exec(error instanceof Error ? error.message : '') ?? []
  if (name === undefined || !ADJUSTABLE.includes(name)) return undefined
  const others = Object.fromEntries(Object.entries(wanted).filter(([each]) => each !== name))
  if (value === undefined) return others
  return { ...others, [name]: /^\d+$/.test(value) ? Number(value) : value }
}
