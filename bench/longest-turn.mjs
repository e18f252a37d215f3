#!/usr/bin/env node
/**
 * The longest time that the event loop of a server with many connections is held: by a broadcast to all of them, by thousands of
 * entries that another process writes at once, by the warning of a shutdown, and by tokens that expire together.
 *
 *   npm run build && node bench/longest-turn.mjs [--clients 9000] [--server FILE]
 *
 *   [--server FILE]   the command of another build, to compare with
 *
 * On a machine that does other things, too, compare the CPU time: no turn can take less. Linux, 127.0.0.1 only.
 */
import { spawn } from 'node:child_process'
import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { WebSocket } from 'ws'

const { values } = parseArgs({
  options: {
    clients: { type: 'string', default: '9000' },
    server: { type: 'string', default: fileURLToPath(new URL('../packages/server/bin/lastcall.js', import.meta.url)) },
  },
})
const CLIENTS = Number(values.clients)
const LOOP_WATCH = new URL('../e2e/joins/loop-watch.mjs', import.meta.url).href
const SECRET = 'a secret of the longest turn, which is no secret at all'
const ENTRIES = 5000
const AT_ONCE = 100

class Server {
  #process
  #watchFile
  #seen = 0
  #lines

  static async start(folder, name, env) {
    const server = new Server()
    server.#watchFile = join(folder, `stalls-${name}`)
    server.#process = spawn(values.server, {
      env: {
        ...{ PATH: process.env['PATH'], HOST: '127.0.0.1', PORT: '0', LOG_FORMAT: 'json', LOG_LEVEL: 'info' },
        ...{ JOURNAL_URL: `file:${join(folder, 'journal')}`, MAX_CONNECTIONS: '0', MAX_MESSAGES_PER_MINUTE: '0' },
        ...{
          NODE_OPTIONS: `--import ${LOOP_WATCH}`,
          LOOP_WATCH_FILE: server.#watchFile,
          BROADCAST_INTERVAL: '0',
          ...env,
        },
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    process.once('exit', () => server.#process.kill('SIGKILL'))
    server.#lines = createInterface({ input: server.#process.stdout })
    server.port = (await server.logged('listening')).port
    return server
  }

  logged(event) {
    return new Promise((resolve) => {
      const look = (text) => {
        if (!text.includes(`"event":"${event}"`)) return
        this.#lines.off('line', look)
        resolve(JSON.parse(text))
      }
      this.#lines.on('line', look)
    })
  }

  /** The longest turn since this was asked last. */
  async longestTurn() {
    this.#process.kill('SIGUSR2')
    while (this.#watched().length === this.#seen) await sleep(5)
    this.#seen = this.#watched().length
    const { ms, cpuMs } = JSON.parse(this.#watched().at(-1))
    return { ms: Math.round(ms), 'of CPU': Math.round(cpuMs) }
  }

  #watched() {
    return existsSync(this.#watchFile) ? readFileSync(this.#watchFile, 'utf8').trim().split('\n') : []
  }

  async stop() {
    const ended = once(this.#process, 'exit')
    this.#process.kill('SIGTERM')
    await ended
  }
}

/** A client that says nothing. It ends its connection when it has been sent a close frame. */
function listen(port, number, query) {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1')
    socket.write(
      `GET /ws/c${number}${query} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
        'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n',
    )
    socket.on('data', (data) => {
      resolve(socket)
      if (data[0] === 0x88) socket.end()
    })
    socket.on('error', reject)
  })
}

async function crowd(port, query = '') {
  const sockets = []
  while (sockets.length < CLIENTS) {
    const some = Array.from({ length: AT_ONCE }, (_, index) => listen(port, sockets.length + index, query))
    sockets.push(...(await Promise.all(some)))
  }
  return sockets
}

function tokenThatExpiresIn(seconds) {
  const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const text = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode({ exp: Math.ceil(Date.now() / 1000) + seconds })}`
  return `${text}.${createHmac('sha256', SECRET).update(text).digest('base64url')}`
}

/** Another process writes entries that concern nobody here. */
async function writeEntries(port) {
  const writer = new WebSocket(`ws://127.0.0.1:${port}/ws/writer?channels=quiet`)
  await once(writer, 'message')
  const acks = new Promise((resolve) => {
    let count = 0
    writer.on('message', (data) => {
      if (data.toString().startsWith('{"type":"ack"') && ++count === ENTRIES) resolve()
    })
  })
  for (let index = 0; index < ENTRIES; index++) {
    writer.send(JSON.stringify({ type: 'message', channel: 'quiet', data: 'x'.repeat(100), id: String(index) }))
  }
  await acks
  writer.close()
}

const rows = {}
const folder = mkdtempSync(join(tmpdir(), 'lastcall-turns-'))
{
  const server = await Server.start(folder, 'one', { BROADCAST_INTERVAL: '20', SHUTDOWN_TIMEOUT: '10' })
  const other = await Server.start(folder, 'two', {})
  const sockets = await crowd(server.port)
  await sleep(6000)
  await server.longestTurn()
  await sleep(2000)
  rows['nothing happens'] = await server.longestTurn()
  await writeEntries(other.port)
  await sleep(500)
  rows[`${ENTRIES} entries of another process`] = await server.longestTurn()
  await new Promise((resolve) => sockets[0].on('data', (data) => data.includes('"periodic"') && resolve()))
  await sleep(1000)
  rows['a broadcast'] = await server.longestTurn()
  const warned = server.logged('shutdown.warning')
  const stopped = server.stop()
  await warned
  await sleep(1000)
  rows['the warning of a shutdown'] = await server.longestTurn()
  for (const socket of sockets) socket.destroy()
  await stopped
  await other.stop()
}
{
  const server = await Server.start(folder, 'three', { AUTH_SECRET: SECRET, SHUTDOWN_TIMEOUT: '1' })
  const sockets = await crowd(server.port, `?token=${tokenThatExpiresIn(60)}`)
  const closed = Promise.all(sockets.map((socket) => socket.closed || once(socket, 'close')))
  await sleep(6000)
  await server.longestTurn()
  await closed
  rows['tokens that expire together'] = await server.longestTurn()
  await server.stop()
}
console.table(rows)
rmSync(folder, { recursive: true, force: true })
process.exit(0)
