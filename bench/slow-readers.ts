/**
 * Lets a thousand clients stop reading while 200 MB are broadcast to them. The program prints the memory that this costs the
 * server, the latency of the clients that read, and the outcome for the thousand: some of them read on within the window and must
 * receive every message; the server must close the others with 4008 (too slow).
 *
 *   npm run bench:slow-readers -- [--slow 1000] [--pausing 50] [--others 10] [--megabytes 200] [--size 16384]
 *
 * One message is in flight at a time: the publisher sends the next one when all the other clients have received it. Linux only;
 * 127.0.0.1 only.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { positiveInteger } from './options.js'
import { memoryBytes } from './process-costs.js'
import { withUnlimitedServer, type ServerProcess } from './server-process.js'
import { Publisher } from './slow-readers/publisher.js'
import { openReaders, type ReadingClient } from './slow-readers/reading-client.js'

const { values } = parseArgs({
  options: {
    slow: { type: 'string', default: '1000' },
    pausing: { type: 'string', default: '50' },
    others: { type: 'string', default: '10' },
    megabytes: { type: 'string', default: '200' },
    size: { type: 'string', default: '16384' },
  },
})
const slow = positiveInteger('slow', values.slow)
const pausing = positiveInteger('pausing', values.pausing)
const others = positiveInteger('others', values.others)
const megabytes = positiveInteger('megabytes', values.megabytes)
const size = positiveInteger('size', values.size)

const WINDOW_BYTES = 16 * 1024 * 1024
const MEGABYTE = 1e6
const TOO_SLOW = 4008
const messages = Math.ceil((megabytes * MEGABYTE) / size)
const WARM_UP_MESSAGES = 100
/** The pause after each message while clients catch up. */
const CATCH_UP_MS = 20
/** A client that has not received the last message after this time, and was not closed, counts as neither. */
const GIVE_UP_MS = 30_000

interface Measured {
  readonly publisher: Publisher
  readonly ordinary: readonly ReadingClient[]
  readonly pausers: readonly ReadingClient[]
  /** The clients that do not read until all messages are published. */
  readonly rest: readonly ReadingClient[]
}

async function measure(server: ServerProcess): Promise<void> {
  const { port, pid } = server
  const [publishing] = await openReaders(port, 1, 'publisher')
  if (publishing === undefined) throw new Error('there is no publisher')
  const publisher = new Publisher(publishing, size, others)
  const ordinary = await openReaders(port, others, 'other', publisher.onReceived)
  await publisher.p99Ms(WARM_UP_MESSAGES)
  const aloneMs = await publisher.p99Ms(5 * WARM_UP_MESSAGES)
  const crowd = await openReaders(port, slow, 'slow')
  const togetherMs = await publisher.p99Ms(WARM_UP_MESSAGES)
  await sleep(1000)

  const measured = { publisher, ordinary, pausers: crowd.slice(0, pausing), rest: crowd.slice(pausing) }
  const before = memoryBytes(pid)
  const sampling = sampleMemory(pid)
  for (const { socket } of crowd) socket.pause()
  const duringMs = await publishWhilePaused(measured)
  const highest = sampling.stop()
  const after = memoryBytes(pid)
  await readTheRest(measured)

  console.log(
    `${slow} clients stop reading while ${messages} messages of ${size} bytes are published to a window of 16 MiB`,
  )
  const inMb = (bytes: number): string => (bytes / MEGABYTE).toFixed(0)
  console.table({
    ...outcomes(measured),
    'MB before': inMb(before),
    'MB at most': inMb(highest),
    'MB at most beyond before and window': inMb(highest - before - WINDOW_BYTES),
    'MB at the end': inMb(after),
    'p99 of the others alone, ms': aloneMs.toFixed(1),
    'p99 while all read, ms': togetherMs.toFixed(1),
    'p99 while they do not, ms': duringMs.toFixed(1),
  })
}

/** Samples the memory of a process until `stop`, which answers the highest value in bytes. */
function sampleMemory(pid: number): { readonly stop: () => number } {
  let highest = 0
  const sample = (): void => {
    highest = Math.max(highest, memoryBytes(pid))
  }
  sample()
  const timer = setInterval(sample, 50)
  return {
    stop: () => {
      clearInterval(timer)
      return highest
    },
  }
}

/**
 * Publishes all messages. While the pausing clients do not read, it publishes half a window. Then they read on, and it publishes
 * slowly until they have caught up: a reader that is half a window behind would not keep up otherwise.
 *
 * @returns The 99th percentile of the latency of the ordinary clients, in ms.
 */
async function publishWhilePaused({ publisher, ordinary, pausers }: Measured): Promise<number> {
  const messagesPerPause = Math.floor(WINDOW_BYTES / 2 / size)
  let pausedAt = 0
  return await publisher.p99Ms(messages, async (number) => {
    if (number - pausedAt === messagesPerPause) for (const { socket } of pausers) socket.resume()
    if (number - pausedAt < messagesPerPause) return
    const lastButOne = ordinary[0]?.offsets.at(-2) ?? 0
    if (pausers.some((pauser) => !pauser.hasReached(lastButOne))) {
      await sleep(CATCH_UP_MS)
      return
    }
    pausedAt = number
    for (const { socket } of pausers) socket.pause()
  })
}

/** All clients read. Resolves when each of them has received the last message or was closed. */
async function readTheRest(measured: Measured): Promise<void> {
  const crowd = [...measured.pausers, ...measured.rest]
  const last = lastOffset(measured)
  for (const { socket } of crowd) socket.resume()
  const isOver = (client: ReadingClient): boolean => client.closeCode !== undefined || client.hasReached(last)
  for (let waitedMs = 0; waitedMs < GIVE_UP_MS && !crowd.every(isOver); waitedMs += 100) {
    // The client answers a close frame by ending its connection. The server needs no more.
    for (const { socket, closeCode } of measured.rest) if (closeCode !== undefined) socket.end()
    await sleep(100)
  }
}

const lastOffset = ({ ordinary }: Measured): number => ordinary[0]?.offsets.at(-1) ?? Infinity

function outcomes(measured: Measured): Record<string, string> {
  const { publisher, ordinary, pausers, rest } = measured
  const last = lastOffset(measured)
  const isGapless = (client: ReadingClient): boolean => client.isGapless(publisher.offsets)
  const complete = (group: readonly ReadingClient[]): number =>
    group.filter((client) => client.hasReached(last) && isGapless(client)).length
  const tooSlow = rest.filter((client) => client.closeCode === TOO_SLOW && isGapless(client)).length
  return {
    'others that received everything': `${complete(ordinary)} of ${others}`,
    'pausing ones that received everything': `${complete(pausers)} of ${pausing}`,
    'of the rest, closed with 4008': `${tooSlow} of ${rest.length}`,
    'of the rest, received everything': `${complete(rest)} of ${rest.length}`,
  }
}

await withUnlimitedServer(
  {
    HISTORY_BYTES: String(WINDOW_BYTES),
    HISTORY_SIZE: '1000000',
    HISTORY_TTL: '3600',
    // A client that does not read answers neither pings nor a close frame. This program does not measure those timeouts.
    HEARTBEAT_INTERVAL: '600',
    CLOSE_TIMEOUT: '120',
  },
  measure,
)
process.exit()
