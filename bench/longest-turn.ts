/**
 * Measures the longest turn of the event loop of a server with many connections: during a broadcast to all of them, while the
 * server reads thousands of entries that another process writes at once, during the warning of a shutdown, and when the tokens of
 * all clients expire together.
 *
 *   npm run bench:longest-turn -- [--clients 9000] [--server FILE]
 *
 *   [--server FILE]   the command of another build, to compare with
 *
 * On a machine that does other things, too, compare the CPU time: no turn can take less. Linux, 127.0.0.1 only.
 */
import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { WebSocket } from 'ws'
import { ROOT } from '../scripts/repository.js'
import { positiveInteger } from './options.js'
import { ServerProcess } from './server-process.js'

const { values } = parseArgs({
  options: { clients: { type: 'string', default: '9000' }, server: { type: 'string' } },
})
const clients = positiveInteger('clients', values.clients)
const LOOP_WATCH = pathToFileURL(join(ROOT, 'dist/e2e/joins/loop-watch.js')).href
const SECRET = 'a secret of the longest turn, which is no secret at all'
const ENTRIES = 5000
const CONNECTS_AT_ONCE = 100
const CLOSE_FRAME = 0x88

interface Turn {
  readonly ms: number
  readonly 'of CPU': number
}

/** A server whose event loop is watched. */
class WatchedServer {
  readonly process: ServerProcess
  readonly #watchFile: string
  #seen = 0

  private constructor(process: ServerProcess, watchFile: string) {
    this.process = process
    this.#watchFile = watchFile
  }

  static async start(folder: string, name: string, env: Readonly<Record<string, string>>): Promise<WatchedServer> {
    const watchFile = join(folder, `stalls-${name}`)
    const server = await ServerProcess.start({
      command: values.server,
      env: {
        LOG_LEVEL: 'info',
        JOURNAL_URL: `file:${join(folder, 'journal')}`,
        MAX_CONNECTIONS: '0',
        MAX_MESSAGES_PER_MINUTE: '0',
        BROADCAST_INTERVAL: '0',
        NODE_OPTIONS: `--import ${LOOP_WATCH}`,
        LOOP_WATCH_FILE: watchFile,
        ...env,
      },
    })
    return new WatchedServer(server, watchFile)
  }

  /** The longest turn since the call before. */
  async longestTurn(): Promise<Turn> {
    this.process.signal('SIGUSR2')
    let lines = this.#watched()
    for (; lines.length === this.#seen; lines = this.#watched()) await sleep(5)
    this.#seen = lines.length
    return turnOf(lines.at(-1) ?? '')
  }

  #watched(): readonly string[] {
    return existsSync(this.#watchFile) ? readFileSync(this.#watchFile, 'utf8').split('\n').slice(0, -1) : []
  }
}

/** @param text A line of e2e/joins/loop-watch. */
function turnOf(text: string): Turn {
  const line: unknown = JSON.parse(text)
  if (!isStall(line)) throw new Error(`the watch of the event loop wrote ${text}`)
  return { ms: Math.round(line.ms), 'of CPU': Math.round(line.cpuMs) }
}

const isStall = (line: unknown): line is { readonly ms: number; readonly cpuMs: number } =>
  typeof line === 'object' &&
  line !== null &&
  'ms' in line &&
  typeof line.ms === 'number' &&
  'cpuMs' in line &&
  typeof line.cpuMs === 'number'

/** Connects a client that sends no message. It ends its connection when it receives a close frame. */
function connectListener(port: number, number: number, query: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1')
    socket.write(
      `GET /ws/c${number}${query} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
        'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n',
    )
    socket.on('data', (data) => {
      resolve(socket)
      if (data[0] === CLOSE_FRAME) socket.end()
    })
    socket.on('error', reject)
  })
}

async function connectListeners(port: number, query = ''): Promise<Socket[]> {
  const sockets: Socket[] = []
  while (sockets.length < clients) {
    const batch = Array.from({ length: Math.min(CONNECTS_AT_ONCE, clients - sockets.length) }, (_, index) =>
      connectListener(port, sockets.length + index, query),
    )
    sockets.push(...(await Promise.all(batch)))
  }
  return sockets
}

function tokenThatExpiresIn(seconds: number): string {
  const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  const text = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode({ exp: Math.ceil(Date.now() / 1000) + seconds })}`
  return `${text}.${createHmac('sha256', SECRET).update(text).digest('base64url')}`
}

/** Writes entries through another server to a channel to which no client of the measured server has subscribed. */
async function writeEntries(port: number): Promise<void> {
  const writer = new WebSocket(`ws://127.0.0.1:${port}/ws/writer?channels=quiet`)
  await once(writer, 'message')
  const acked = new Promise<void>((resolve) => {
    let count = 0
    writer.on('message', (data: Buffer) => {
      if (data.toString().startsWith('{"type":"ack"') && ++count === ENTRIES) resolve()
    })
  })
  for (let index = 0; index < ENTRIES; index++) {
    writer.send(JSON.stringify({ type: 'message', channel: 'quiet', data: 'x'.repeat(100), id: String(index) }))
  }
  await acked
  writer.close()
}

/** Resolves when a broadcast of the server reaches one of the clients. */
async function broadcastAmong(sockets: readonly Socket[]): Promise<void> {
  const [one] = sockets
  await new Promise<void>((resolve) => one?.on('data', (data) => data.includes('"periodic"') && resolve()))
}

async function hasClosed(socket: Socket): Promise<void> {
  if (!socket.closed) await once(socket, 'close')
}

async function measureTraffic(folder: string): Promise<Record<string, Turn>> {
  const server = await WatchedServer.start(folder, 'one', { BROADCAST_INTERVAL: '20', SHUTDOWN_TIMEOUT: '10' })
  const other = await WatchedServer.start(folder, 'two', {})
  const sockets = await connectListeners(server.process.port)
  await sleep(6000)
  await server.longestTurn()
  await sleep(2000)
  const idle = await server.longestTurn()
  await writeEntries(other.process.port)
  await sleep(500)
  const entries = await server.longestTurn()
  await broadcastAmong(sockets)
  await sleep(1000)
  const broadcast = await server.longestTurn()
  const warned = server.process.logged('shutdown.warning')
  const stopped = server.process.stop()
  await warned
  await sleep(1000)
  const warning = await server.longestTurn()
  for (const socket of sockets) socket.destroy()
  await stopped
  await other.process.stop()
  return {
    'nothing happens': idle,
    [`${ENTRIES} entries of another process`]: entries,
    'a broadcast': broadcast,
    'the warning of a shutdown': warning,
  }
}

async function measureExpiry(folder: string): Promise<Record<string, Turn>> {
  const server = await WatchedServer.start(folder, 'three', { AUTH_SECRET: SECRET, SHUTDOWN_TIMEOUT: '1' })
  const sockets = await connectListeners(server.process.port, `?token=${tokenThatExpiresIn(60)}`)
  const closed = Promise.all(sockets.map(hasClosed))
  await sleep(6000)
  await server.longestTurn()
  await closed
  const expiry = await server.longestTurn()
  await server.process.stop()
  return { 'tokens that expire together': expiry }
}

const folder = mkdtempSync(join(tmpdir(), 'lastcall-turns-'))
try {
  console.table({ ...(await measureTraffic(folder)), ...(await measureExpiry(folder)) })
} finally {
  rmSync(folder, { recursive: true, force: true })
}
process.exit(0)
