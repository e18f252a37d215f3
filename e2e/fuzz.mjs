#!/usr/bin/env node
/**
 * Rubbish: random and mutated handshakes and frames against the real command. Afterwards the server must live, serve, and
 * have its memory back. The seed is printed; the same seed sends the same bytes.
 *
 *   npm run fuzz -- [--count 100000] [--seed N]
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { COMMAND } from '../scripts/repository.js'

const { values } = parseArgs({
  options: {
    count: { type: 'string', default: '100000' },
    seed: { type: 'string', default: String(Date.now() % 1e9) },
  },
})
const count = Number(values.count)
const seed = Number(values.seed)

/** Mulberry32: small, and the same everywhere. */
function randomFrom(state) {
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

const random = randomFrom(seed)
const below = (limit) => Math.floor(random() * limit)
const pick = (list) => list[below(list.length)]
const bytes = (length) => Buffer.from(Array.from({ length }, () => below(256)))

const handshake = (path, headers = '') =>
  `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
  `Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n${headers}\r\n`

const PATHS = [
  () => `/ws/fuzz-${below(1000)}`,
  () => '/ws',
  () => `/ws/${encodeURIComponent(bytes(below(80)).toString('latin1'))}`,
  () => `/ws/%${bytes(2).toString('hex')}%zz`,
  () => `/ws/a?cursor=${encodeURIComponent(bytes(10).toString('latin1'))}&channels=a,b,,${'c'.repeat(below(99))}`,
  () =>
    `/ws/a?token=${'x.'.repeat(below(2000))}&session=${bytes(8).toString('hex')}.${bytes(8).toString('hex')}&avoid=${'x.'.repeat(below(200))}`,
  () => `/${'x'.repeat(below(4000))}`,
]

const TEXTS = [
  () => JSON.stringify({ type: 'message', data: bytes(below(50)).toString('latin1'), id: String(below(100)) }),
  () => JSON.stringify({ type: pick(['message', 'direct', 'subscribe', 'unsubscribe', 'ping', '__proto__', 'x']) }),
  () =>
    JSON.stringify({
      type: 'subscribe',
      channels: [pick(['a', '', '!', 7, 'b'.repeat(99)])],
      since: pick(['', 'e:1', 3]),
    }),
  () => JSON.stringify({ type: 'direct', to: pick(['fuzz-1', '', '../..', 5]), data: { __proto__: 1 } }),
  () => '['.repeat(below(30_000)),
  () => `{"type":"message","data":${'['.repeat(5000)}${']'.repeat(5000)}}`,
  () => bytes(below(300)).toString('latin1'),
  () => '',
]

/** A frame as it should be, of any opcode. */
function frame(opcode, payload) {
  const mask = bytes(4)
  const masked = Buffer.from(payload.map((byte, index) => byte ^ mask[index & 3]))
  const head =
    payload.length < 126
      ? [0x80 | opcode, 0x80 | payload.length]
      : [0x80 | opcode, 0xfe, payload.length >> 8, payload.length & 255]
  return Buffer.concat([Buffer.from(head), mask, masked])
}

const FRAMES = [
  () => frame(1, Buffer.from(pick(TEXTS)()).subarray(0, 65_000)),
  () => frame(1, bytes(below(200))),
  () => frame(2, bytes(below(50))),
  () => frame(pick([8, 9, 10]), bytes(below(140))),
  () => frame(below(16), bytes(below(20))),
  () => bytes(1 + below(100)),
  () => Buffer.concat([Buffer.from([0x81, 0xff]), bytes(8), bytes(below(40))]),
]

/** Flips bits, cuts, repeats. */
function mutate(data) {
  const changed = Buffer.from(data)
  for (let flips = below(4); flips > 0 && changed.length > 0; flips--) changed[below(changed.length)] ^= 1 << below(8)
  if (random() < 0.1) return changed.subarray(0, below(changed.length + 1))
  if (random() < 0.05) return Buffer.concat([changed, changed])
  return changed
}

/** One visitor: a handshake, mostly right, and then so many frames, mutated or not. Resolves when its socket has ended. */
function visit(port, frames) {
  const parts = [Buffer.from(handshake(pick(PATHS)(), random() < 0.3 ? 'Sec-WebSocket-Protocol: lastcall.v1\r\n' : ''))]
  if (random() < 0.2) parts[0] = mutate(parts[0])
  for (let made = 0; made < frames; made++) {
    const one = pick(FRAMES)()
    parts.push(random() < 0.5 ? mutate(one) : one)
  }
  const ending = pick(['end', 'destroy', 'resetAndDestroy'])
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      for (const part of parts) socket.write(part)
      socket.write('', () => {
        if (ending === 'end') socket.end()
        else setImmediate(() => socket[ending]())
      })
    })
    socket.setTimeout(3000, () => socket.destroy())
    socket.on('data', () => undefined)
    socket.on('error', () => undefined)
    socket.on('close', resolve)
  })
}

/** Heap in use and memory of the process, after the server had time to let go. */
const residentMb = (pid) => Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024

async function settled(port) {
  for (let attempt = 0; attempt < 200; attempt++) {
    const health = await (await fetch(`http://127.0.0.1:${port}/health`)).json()
    if (health.activeConnections === 0) return
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error('connections are left over')
}

async function main() {
  console.log(`seed ${seed}, ${count} frames and handshakes`)
  const server = spawn(process.execPath, [COMMAND], {
    env: {
      ...process.env,
      HOST: '127.0.0.1',
      PORT: '0',
      JOURNAL_URL: 'memory:',
      LOG_FORMAT: 'json',
      HISTORY_SIZE: '1000',
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const problems = []
  const lastLines = []
  let port
  const listening = new Promise((resolve, reject) => {
    server.once('exit', (code) => reject(new Error(`the server ended with ${code}`)))
    createInterface({ input: server.stdout }).on('line', (line) => {
      lastLines.push(line)
      if (lastLines.length > 12) lastLines.shift()
      const entry = JSON.parse(line)
      if (entry.event === 'listening') resolve(entry.port)
      if (entry.level === 'error') problems.push(line)
    })
  })
  createInterface({ input: server.stderr }).on('line', (line) => problems.push(line))
  try {
    port = await listening
    const PER_VISIT = 20
    let sent = 0
    let memoryMb
    const visitor = async (until) => {
      while (sent < until) {
        sent += PER_VISIT
        await visit(port, PER_VISIT - 1)
        if (sent % 10_000 === 0) process.stderr.write(`${sent} of ${count}\r`)
      }
    }
    const round = async (until) => {
      await Promise.all(Array.from({ length: 20 }, () => visitor(until)))
      await settled(port)
    }
    // What the first tenth leaves is what a server that has worked has: compiled code, filled pools.
    await round(count / 10)
    memoryMb = residentMb(server.pid)
    await round(count)
    const afterMb = residentMb(server.pid)
    console.log(`memory ${memoryMb.toFixed(0)} MB after a tenth, ${afterMb.toFixed(0)} MB at the end`)
    if (afterMb > memoryMb * 1.5 + 20) problems.push(`memory grew from ${memoryMb} to ${afterMb} MB`)
    if (server.exitCode !== null) problems.push(`the server ended with ${server.exitCode}`)
    const ended = once(server, 'exit')
    server.kill('SIGTERM')
    const [code] = await ended
    if (code !== 0) problems.push(lastLines.join('\n'), `SIGTERM ended the server with ${code}`)
  } finally {
    server.kill('SIGKILL')
  }
  for (const problem of problems.slice(0, 20)) console.error(problem)
  console.log(problems.length === 0 ? 'no crash, no error' : `${problems.length} problems; seed ${seed}`)
  process.exitCode = problems.length === 0 ? 0 : 1
}

await main()
