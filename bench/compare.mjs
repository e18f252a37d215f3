#!/usr/bin/env node
/**
 * The same broadcast work for lastcall, a loop over `ws`, and Socket.IO: server CPU per delivery, memory per idle
 * connection, CPU per accepted connection. Compare ratios within one run: machines differ and are noisy.
 *
 *   npm run bench -- [--clients 500] [--messages 500] [--size 128] [--window 1] [--rounds 3]
 *
 * Linux only: CPU and memory of the servers are read from /proc. 127.0.0.1 only.
 */
import { spawn } from 'node:child_process'
import { readFileSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer, connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { cpuUs } from './cpu.mjs'
import { MarkCounter, openClients } from './load.mjs'

const { values } = parseArgs({
  options: {
    clients: { type: 'string', default: '500' },
    messages: { type: 'string', default: '500' },
    size: { type: 'string', default: '128' },
    window: { type: 'string', default: '1' },
    rounds: { type: 'string', default: '3' },
  },
})
const [clients, messages, size, window, rounds] = ['clients', 'messages', 'size', 'window', 'rounds'].map((name) => {
  const number = Number(values[name])
  if (!Number.isInteger(number) || number < 1) throw new Error(`--${name} must be a positive whole number`)
  return number
})

const here = (path) => fileURLToPath(new URL(path, import.meta.url))
const work = mkdtempSync(join(tmpdir(), 'lastcall-bench-'))

const SERVERS = {
  lastcall: {
    command: here('../packages/server/bin/lastcall.js'),
    env: (port) => ({
      PORT: String(port),
      HOST: '127.0.0.1',
      JOURNAL_URL: `file:${join(work, String(port))}`,
      MAX_MESSAGES_PER_MINUTE: '0',
      BROADCAST_INTERVAL: '0',
      LOG_FORMAT: 'json',
    }),
    path: '/ws/bench-%d',
    wrap: (payload) => JSON.stringify({ type: 'message', data: payload }),
  },
  ws: { script: here('peers/ws-loop.mjs'), path: '/', wrap: (payload) => payload },
  'socket.io': {
    script: here('peers/socketio.mjs'),
    path: '/socket.io/?EIO=4&transport=websocket',
    hello: '40',
    wrap: (payload) => `42${JSON.stringify(['m', payload])}`,
  },
}

const pssKb = (pid) => Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1])

function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address()
      server.close(() => resolve(port))
    })
  })
}

async function listening(port, server) {
  for (let attempt = 0; attempt < 200 && server.exitCode === null; attempt++) {
    const open = await new Promise((resolve) => {
      const socket = connect(port, '127.0.0.1', () => resolve(true)).on('error', () => resolve(false))
      socket.on('connect', () => socket.destroy())
    })
    if (open) return
    await sleep(50)
  }
  throw new Error(`nothing listens on ${port}`)
}

async function measure({ command, script, env = () => ({}), path, hello, wrap }) {
  const port = await freePort()
  const options = { env: { ...process.env, ...env(port) }, stdio: 'ignore' }
  const server = command ? spawn(command, options) : spawn(process.execPath, [script, String(port)], options)
  let opened = []
  try {
    await listening(port, server)
    await sleep(500)
    const before = { cpu: cpuUs(server.pid), kb: pssKb(server.pid) }
    const counters = Array.from({ length: clients }, () => new MarkCounter('@@mark@@'))
    let delivered = 0
    let onDelivery = () => undefined
    const onData = (data, number) => {
      delivered += counters[number].count(data)
      onDelivery()
    }
    opened = await openClients(clients, { port, path, hello }, onData)
    const connected = { cpu: cpuUs(server.pid) }
    await sleep(1500)
    const idle = { kb: pssKb(server.pid) }

    const text = wrap(`@@mark@@${'x'.repeat(Math.max(0, size - 8))}`)
    opened[0].say(text)
    await sleep(1000)
    // lastcall tells the sender with an ack instead of its own message.
    const fan = delivered
    delivered = 0
    const start = cpuUs(server.pid)
    await new Promise((resolve, reject) => {
      let sent = 0
      const stuck = setTimeout(() => reject(new Error(`stuck at ${delivered} of ${messages * fan}`)), 120_000)
      onDelivery = () => {
        while (sent < messages && sent * fan < delivered + window * fan) opened[(sent++ % 50) % clients].say(text)
        if (delivered < messages * fan) return
        clearTimeout(stuck)
        resolve()
      }
      onDelivery()
    })
    return {
      cpuPerDelivery: (cpuUs(server.pid) - start) / (messages * fan),
      kbPerConnection: (idle.kb - before.kb) / clients,
      cpuPerConnect: (connected.cpu - before.cpu) / clients,
    }
  } finally {
    for (const { socket } of opened) socket.destroy()
    server.kill('SIGKILL')
    await new Promise((resolve) =>
      server.exitCode === null && server.signalCode === null ? server.on('exit', resolve) : resolve(),
    )
  }
}

const median = (numbers) => numbers.toSorted((a, b) => a - b)[numbers.length >> 1]

try {
  const results = new Map(Object.keys(SERVERS).map((name) => [name, []]))
  for (let round = 1; round <= rounds; round++) {
    for (const [name, server] of Object.entries(SERVERS)) {
      process.stderr.write(`round ${round} of ${rounds}: ${name}\n`)
      results.get(name).push(await measure(server))
    }
  }
  const own = (key) => median(results.get('lastcall').map((result) => result[key]))
  console.log(`${clients} clients, ${messages} messages of ${size} B, ${window} in flight, median of ${rounds}`)
  console.table(
    Object.fromEntries(
      [...results].map(([name, runs]) => {
        const of = (key) => median(runs.map((run) => run[key]))
        return [
          name,
          {
            'µs CPU per delivery': of('cpuPerDelivery').toFixed(2),
            'times lastcall': (of('cpuPerDelivery') / own('cpuPerDelivery')).toFixed(2),
            'KB per connection': of('kbPerConnection').toFixed(1),
            'µs CPU per connect': of('cpuPerConnect').toFixed(0),
          },
        ]
      }),
    ),
  )
} finally {
  rmSync(work, { recursive: true, force: true })
}
