#!/usr/bin/env node
/**
 * Everybody comes back at once: so many clients resume with the same cursor, and each must get every message it missed,
 * once, in order. What a replayed message costs the server, beside one that is delivered live.
 *
 *   node bench/resume-storm.mjs [--clients 10000] [--missed 100]
 *
 * Linux only: CPU is read from /proc. 127.0.0.1 only.
 */
import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { MarkCounter, openClients } from './load.mjs'

const { values } = parseArgs({
  options: { clients: { type: 'string', default: '10000' }, missed: { type: 'string', default: '100' } },
})
const [clients, missed] = [Number(values.clients), Number(values.missed)]
const MARK = '@@mark@@'
const LIVE_CLIENTS = 1000

const folder = mkdtempSync(join(tmpdir(), 'lastcall-storm-'))
const server = spawn(fileURLToPath(new URL('../packages/server/bin/lastcall.js', import.meta.url)), {
  env: {
    ...process.env,
    ...{ HOST: '127.0.0.1', PORT: '0', LOG_FORMAT: 'json', JOURNAL_URL: `file:${join(folder, 'journal')}` },
    ...{ MAX_CONNECTIONS: '0', MAX_MESSAGES_PER_MINUTE: '0', BROADCAST_INTERVAL: '0', PRESENCE_INTERVAL: '0' },
  },
  stdio: ['ignore', 'pipe', 'inherit'],
})

const cpuUs = () =>
  readdirSync(`/proc/${server.pid}/task`).reduce(
    (sum, task) =>
      sum + Number(readFileSync(`/proc/${server.pid}/task/${task}/schedstat`, 'utf8').split(' ')[0]) / 1000,
    0,
  )

/** Opens clients and says when each has had so many marks. */
async function open(count, path, expected) {
  const port = await listening
  const counters = Array.from({ length: count }, () => new MarkCounter(MARK))
  const got = new Array(count).fill(0)
  const openedAt = []
  const waits = []
  let text = ''
  let complete
  const all = new Promise((resolve) => (complete = resolve))
  const onData = (data, number) => {
    if (number === 0) text += data.toString()
    openedAt[number] ??= performance.now()
    const before = got[number]
    got[number] += counters[number].count(data)
    if (before < expected && got[number] >= expected) {
      waits.push(performance.now() - openedAt[number])
      if (waits.length === count) complete()
    }
  }
  const opened = await openClients(count, { port, path }, onData, 200)
  return { opened, got, waits, all, expect: (more) => (expected = more), text: () => text }
}

const listening = new Promise((resolve) => {
  createInterface({ input: server.stdout }).on('line', (line) => {
    const { event, port } = JSON.parse(line)
    if (event === 'listening') resolve(port)
  })
})

try {
  const audience = await open(LIVE_CLIENTS, '/ws/live-%d', Infinity)
  const [speaker] = audience.opened
  const cursor = /"cursor":"([^"]+)"/.exec(audience.text())[1]
  const say = () => speaker.say(JSON.stringify({ type: 'message', data: `${MARK}${'x'.repeat(120)}` }))
  const heard = () => audience.got.reduce((sum, number) => sum + number, 0)
  const before = cpuUs()
  for (let said = 1; said <= missed; said++) {
    say()
    while (heard() < said * (LIVE_CLIENTS - 1)) await new Promise((resolve) => setTimeout(resolve, 1))
  }
  const live = (cpuUs() - before) / (missed * (LIVE_CLIENTS - 1))
  for (const { socket } of audience.opened) socket.destroy()
  await new Promise((resolve) => setTimeout(resolve, 1000))

  // The same number of newcomers that resume nothing: what coming costs in any case.
  const beforeFresh = cpuUs()
  const fresh = await open(clients, '/ws/fresh-%d', 0)
  const coming = cpuUs() - beforeFresh
  for (const { socket } of fresh.opened) socket.destroy()
  await new Promise((resolve) => setTimeout(resolve, 2000))

  const beforeStorm = cpuUs()
  const storm = await open(clients, `/ws/back-%d?cursor=${cursor}`, missed)
  await storm.all
  const replay = (cpuUs() - beforeStorm - coming) / (clients * missed)
  const extra = storm.got.filter((number) => number !== missed).length
  for (const { socket } of storm.opened) socket.destroy()

  console.log(`${clients} clients resume with ${missed} missed messages each`)
  console.table({
    complete: `${clients - extra} of ${clients}`,
    'µs CPU per live delivery': live.toFixed(2),
    'µs CPU per replayed message': replay.toFixed(2),
    ratio: (replay / live).toFixed(3),
    'longest wait, ms': Math.max(...storm.waits).toFixed(0),
  })
} finally {
  server.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true })
}
