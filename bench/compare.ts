/**
 * Gives lastcall, a loop over `ws`, and Socket.IO the same broadcast work, and compares the CPU time per delivery, the memory per
 * idle connection, and the CPU time per accepted connection. Machines differ and are noisy: compare ratios within one run.
 *
 *   npm run bench -- [--clients 500] [--messages 500] [--size 128] [--window 1] [--rounds 3]
 *
 *   [--window 1]   how many messages are published before all clients have received the first of them
 *
 * Linux only: the program reads the CPU time and the memory of the servers from /proc. 127.0.0.1 only.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { freePort } from '../packages/server/test/support/free-port.js'
import { COMMAND, ROOT } from '../scripts/repository.js'
import { openClients, type LoadClient } from './load.js'
import { MarkCounter } from './mark-counter.js'
import { positiveInteger } from './options.js'
import { percentile } from './percentile.js'
import { cpuUs, memoryBytes } from './process-costs.js'

const { values } = parseArgs({
  options: {
    clients: { type: 'string', default: '500' },
    messages: { type: 'string', default: '500' },
    size: { type: 'string', default: '128' },
    window: { type: 'string', default: '1' },
    rounds: { type: 'string', default: '3' },
  },
})
const clients = positiveInteger('clients', values.clients)
const messages = positiveInteger('messages', values.messages)
const size = positiveInteger('size', values.size)
const window = positiveInteger('window', values.window)
const rounds = positiveInteger('rounds', values.rounds)

const MARK = '@@mark@@'
const PUBLISHERS = 50
const BYTES_PER_KB = 1024
const LISTEN_TIMEOUT_MS = 10_000
const STUCK_MS = 120_000

const folder = mkdtempSync(join(tmpdir(), 'lastcall-bench-'))

interface Contestant {
  /** The program and its arguments. */
  readonly words: (port: number) => readonly [string, ...string[]]
  readonly env: (port: number) => Readonly<Record<string, string>>
  /** Of the WebSocket; `%d` is the number of the client. */
  readonly path: string
  /** The frame that a client sends first. */
  readonly hello?: string
  /** The frame that publishes a message. */
  readonly wrap: (data: string) => string
}

const peer =
  (name: string): Contestant['words'] =>
  (port) => [process.execPath, join(ROOT, 'bench/peers', name), String(port)]

const LASTCALL = 'lastcall'
const CONTESTANTS: Readonly<Record<string, Contestant>> = {
  [LASTCALL]: {
    words: () => [COMMAND],
    env: (port) => ({
      PORT: String(port),
      HOST: '127.0.0.1',
      JOURNAL_URL: `file:${join(folder, String(port))}`,
      MAX_MESSAGES_PER_MINUTE: '0',
      BROADCAST_INTERVAL: '0',
      LOG_FORMAT: 'json',
    }),
    path: '/ws/bench-%d',
    wrap: (data) => JSON.stringify({ type: 'message', data }),
  },
  ws: { words: peer('ws-loop.mjs'), env: () => ({}), path: '/', wrap: (data) => data },
  'socket.io': {
    words: peer('socketio.mjs'),
    env: () => ({}),
    path: '/socket.io/?EIO=4&transport=websocket',
    hello: '40',
    wrap: (data) => `42${JSON.stringify(['m', data])}`,
  },
}

interface Costs {
  readonly usPerDelivery: number
  readonly kbPerConnection: number
  readonly usPerConnect: number
}

/** Measures one server once, in a process of its own. */
async function measure({ words, env, ...contestant }: Contestant): Promise<Costs> {
  const port = await freePort()
  const [program, ...args] = words(port)
  const server = spawn(program, args, { env: { ...process.env, ...env(port) }, stdio: 'ignore' })
  const ended = once(server, 'exit')
  try {
    return await measureAt(port, server, contestant)
  } finally {
    server.kill('SIGKILL')
    await ended
  }
}

async function measureAt(
  port: number,
  server: ChildProcess,
  { wrap, ...target }: Omit<Contestant, 'words' | 'env'>,
): Promise<Costs> {
  await listening(port, server)
  const pid = server.pid
  if (pid === undefined) throw new Error('the server could not be started')
  await sleep(500)
  const before = { us: cpuUs(pid), bytes: memoryBytes(pid) }
  const deliveries = new Deliveries(clients)
  const opened = await openClients(clients, { port, ...target }, deliveries.take)
  try {
    const connectedUs = cpuUs(pid)
    await sleep(1500)
    const idleBytes = memoryBytes(pid)
    const broadcastUs = await broadcast(opened, wrap(MARK.padEnd(size, 'x')), deliveries, pid)
    return {
      usPerDelivery: broadcastUs,
      kbPerConnection: (idleBytes - before.bytes) / BYTES_PER_KB / clients,
      usPerConnect: (connectedUs - before.us) / clients,
    }
  } finally {
    for (const { socket } of opened) socket.destroy()
  }
}

/** Resolves when a server accepts connections at this port. */
async function listening(port: number, server: ChildProcess): Promise<void> {
  const endMs = performance.now() + LISTEN_TIMEOUT_MS
  while (performance.now() < endMs && server.exitCode === null) {
    const isOpen = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1', () => {
        socket.destroy()
        resolve(true)
      }).on('error', () => resolve(false))
    })
    if (isOpen) return
    await sleep(50)
  }
  throw new Error(`no server listens on port ${port}`)
}

/** Counts the messages that all clients receive together. */
class Deliveries {
  count = 0
  onDelivery: () => void = () => undefined
  readonly #counters: readonly MarkCounter[]

  constructor(clients: number) {
    this.#counters = Array.from({ length: clients }, () => new MarkCounter(MARK))
  }

  readonly take = (data: Buffer, client: number): void => {
    this.count += this.#counters[client]?.count(data) ?? 0
    this.onDelivery()
  }
}

/** Publishes the messages. Resolves with the CPU time of the server per delivery, in µs. */
async function broadcast(
  opened: readonly LoadClient[],
  text: string,
  deliveries: Deliveries,
  pid: number,
): Promise<number> {
  const publishers = opened.slice(0, PUBLISHERS)
  publishers[0]?.send(text)
  await sleep(1000)
  // lastcall answers the publisher with an ack in place of its own message.
  const audience = deliveries.count
  deliveries.count = 0
  const startUs = cpuUs(pid)
  await new Promise<void>((resolve, reject) => {
    let published = 0
    const stuck = setTimeout(
      () => reject(new Error(`the server delivered ${deliveries.count} of ${messages * audience} messages`)),
      STUCK_MS,
    )
    deliveries.onDelivery = () => {
      while (published < messages && published * audience < deliveries.count + window * audience) {
        publishers[published++ % publishers.length]?.send(text)
      }
      if (deliveries.count < messages * audience) return
      clearTimeout(stuck)
      resolve()
    }
    deliveries.onDelivery()
  })
  return (cpuUs(pid) - startUs) / (messages * audience)
}

function table(results: ReadonlyMap<string, readonly Costs[]>): Record<string, Record<string, string>> {
  const of = (name: string, cost: keyof Costs): number =>
    percentile(
      (results.get(name) ?? []).map((run) => run[cost]),
      0.5,
    )
  const row = (name: string): Record<string, string> => ({
    'µs CPU per delivery': of(name, 'usPerDelivery').toFixed(2),
    'times lastcall': (of(name, 'usPerDelivery') / of(LASTCALL, 'usPerDelivery')).toFixed(2),
    'KB per connection': of(name, 'kbPerConnection').toFixed(1),
    'µs CPU per connect': of(name, 'usPerConnect').toFixed(0),
  })
  return Object.fromEntries([...results.keys()].map((name) => [name, row(name)]))
}

try {
  const results = new Map<string, Costs[]>()
  for (let round = 1; round <= rounds; round++) {
    for (const [name, contestant] of Object.entries(CONTESTANTS)) {
      process.stderr.write(`round ${round} of ${rounds}: ${name}\n`)
      results.set(name, [...(results.get(name) ?? []), await measure(contestant)])
    }
  }
  console.log(`${clients} clients, ${messages} messages of ${size} B, ${window} in flight, median of ${rounds}`)
  console.table(table(results))
} finally {
  rmSync(folder, { recursive: true, force: true })
}
