/**
 * Lets many clients resume at once with the same cursor. Each of them must receive every message that it missed, once and in
 * order. The program prints what a replayed message costs the server, beside a message that is delivered live.
 *
 *   npm run bench:resume-storm -- [--clients 10000] [--missed 100]
 *
 * Linux only: the program reads CPU time from /proc. 127.0.0.1 only.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { openClients, type LoadClient } from './load.js'
import { MarkCounter } from './mark-counter.js'
import { positiveInteger } from './options.js'
import { cpuUs } from './process-costs.js'
import { withUnlimitedServer, type ServerProcess } from './server-process.js'

const { values } = parseArgs({
  options: { clients: { type: 'string', default: '10000' }, missed: { type: 'string', default: '100' } },
})
const clients = positiveInteger('clients', values.clients)
const missed = positiveInteger('missed', values.missed)
const MARK = '@@mark@@'
const MESSAGE = JSON.stringify({ type: 'message', data: `${MARK}${'x'.repeat(120)}` })
const LIVE_CLIENTS = 1000
const CONNECTS_AT_ONCE = 200

interface Audience {
  readonly opened: readonly LoadClient[]
  /** How many marks each client has received so far. */
  readonly received: readonly number[]
  /** Resolves with how long each client waited for the last mark that it expects, in ms. */
  readonly complete: Promise<readonly number[]>
  /** The messages that the first client has received. */
  readonly textOfFirst: () => string
}

/** Opens clients, each of which expects so many marks. */
async function open(server: ServerProcess, count: number, path: string, expected: number): Promise<Audience> {
  const counters = Array.from({ length: count }, () => new MarkCounter(MARK))
  const received = Array.from({ length: count }, () => 0)
  const openedAtMs = new Map<number, number>()
  const waitsMs: number[] = []
  let text = ''
  const { promise: complete, resolve } = withResolvers<readonly number[]>()
  const onData = (data: Buffer, number: number): void => {
    if (number === 0) text += data.toString()
    const nowMs = performance.now()
    const beganMs = openedAtMs.get(number) ?? nowMs
    openedAtMs.set(number, beganMs)
    const before = received[number] ?? 0
    const after = before + (counters[number]?.count(data) ?? 0)
    received[number] = after
    if (before >= expected || after < expected) return
    waitsMs.push(nowMs - beganMs)
    if (waitsMs.length === count) resolve(waitsMs)
  }
  const opened = await openClients(count, { port: server.port, path }, onData, CONNECTS_AT_ONCE)
  return { opened, received, complete, textOfFirst: () => text }
}

function withResolvers<T>(): { readonly promise: Promise<T>; readonly resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => undefined
  const promise = new Promise<T>((settle) => (resolve = settle))
  return { promise, resolve }
}

/** Publishes the messages to connected clients, one after the other. Resolves with the CPU time per delivery, and a cursor before them. */
async function measureLive(server: ServerProcess): Promise<{ readonly us: number; readonly cursor: string }> {
  const { opened, received, textOfFirst } = await open(server, LIVE_CLIENTS, '/ws/live-%d', Infinity)
  const cursor = /"cursor":"([^"]+)"/.exec(textOfFirst())?.[1]
  if (cursor === undefined) throw new Error('the first client has received no cursor')
  const delivered = (): number => received.reduce((sum, each) => sum + each, 0)
  const beforeUs = cpuUs(server.pid)
  for (let published = 1; published <= missed; published++) {
    opened[0]?.send(MESSAGE)
    while (delivered() < published * (LIVE_CLIENTS - 1)) await sleep(1)
  }
  const us = (cpuUs(server.pid) - beforeUs) / (missed * (LIVE_CLIENTS - 1))
  await leave(opened, 1000)
  return { us, cursor }
}

/** The CPU time that the same number of clients costs when they resume nothing, in µs. */
async function measureArrival(server: ServerProcess): Promise<number> {
  const beforeUs = cpuUs(server.pid)
  const { opened } = await open(server, clients, '/ws/fresh-%d', 0)
  const us = cpuUs(server.pid) - beforeUs
  await leave(opened, 2000)
  return us
}

async function leave(opened: readonly LoadClient[], pauseMs: number): Promise<void> {
  for (const { socket } of opened) socket.destroy()
  await sleep(pauseMs)
}

async function measure(server: ServerProcess): Promise<void> {
  const live = await measureLive(server)
  const arrivalUs = await measureArrival(server)
  const beforeUs = cpuUs(server.pid)
  const storm = await open(server, clients, `/ws/back-%d?cursor=${live.cursor}`, missed)
  const waitsMs = await storm.complete
  const replayUs = (cpuUs(server.pid) - beforeUs - arrivalUs) / (clients * missed)
  const complete = storm.received.filter((number) => number === missed).length
  await leave(storm.opened, 0)

  console.log(`${clients} clients resume with ${missed} missed messages each`)
  console.table({
    complete: `${complete} of ${clients}`,
    'µs CPU per live delivery': live.us.toFixed(2),
    'µs CPU per replayed message': replayUs.toFixed(2),
    ratio: (replayUs / live.us).toFixed(3),
    'longest wait, ms': Math.max(...waitsMs).toFixed(0),
  })
}

await withUnlimitedServer({}, measure)
