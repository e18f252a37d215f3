#!/usr/bin/env node
/**
 * A publisher whose connection is cut between sending and ack, again and again: in the middle of the message, right behind
 * it, or in the middle of its ack. It comes back and sends again what was not acked. Each message must be in the journal once.
 *
 *   npm run cut-before-ack -- [--times 1000] [--seed 1]
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { check } from './chaos/checker.js'
import { FaultProxy } from './chaos/fault-proxy.js'
import { History } from './chaos/history.js'
import { PlainClient } from './chaos/plain-client.js'
import { Random } from './chaos/random.js'
import { readJournal } from './chaos/reader.js'
import { Servers } from './chaos/servers.js'
import { COMMAND } from '../scripts/repository.js'

const { values } = parseArgs({
  options: {
    times: { type: 'string', default: '1000' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
  },
})
const times = Number(values.times)
const random = new Random(values.seed)

const TERMS = { historySize: 1_000_000, historyTtlMs: 3_600_000, instances: 1, presence: false, complete: true }
const PATIENCE_MS = 2000
const GIVE_UP_MS = 10_000

/** Where the connection is cut, once, when it is armed. */
const cut = { where: undefined, count: { 'in the message': 0, 'behind the message': 0, 'in the ack': 0 } }

/** How much of this still passes. */
function watch(direction, chunk) {
  const isAck = direction === 'down' && chunk.includes('"ack"')
  const isHit = cut.where === 'in the ack' ? isAck : cut.where !== undefined && direction === 'up'
  if (!isHit) return Infinity
  const { where } = cut
  cut.where = undefined
  cut.count[where]++
  return where === 'behind the message' ? chunk.length : random.below(chunk.length)
}

const nextFate = () => ({
  fault: 'cut',
  direction: 'both',
  afterBytes: Infinity,
  by: random.pick(['fin', 'rst']),
  stallMs: 0,
  delayMs: () => 0,
  pieceBytes: () => Infinity,
  watch,
})

async function main() {
  console.log(`seed ${values.seed}, ${times} times`)
  const folder = mkdtempSync(join(tmpdir(), 'lastcall-cut-'))
  const history = new History()
  const env = {
    JOURNAL_URL: `file:${join(folder, 'journal')}`,
    HISTORY_SIZE: String(TERMS.historySize),
    HISTORY_TTL: `${TERMS.historyTtlMs / 1000}`,
    MAX_MESSAGES_PER_MINUTE: '0',
    PRESENCE_INTERVAL: '0',
    BROADCAST_INTERVAL: '0',
  }
  const servers = new Servers({
    cli: COMMAND,
    envOf: () => env,
    names: ['server'],
    hasBroker: false,
    history,
  })
  const proxy = new FaultProxy({ target: () => servers.ports[0], nextFate })
  let publisher
  let violations
  try {
    await servers.startAll()
    const endpoint = `ws://127.0.0.1:${await proxy.listen()}/ws`
    publisher = new PlainClient({
      name: 'publisher',
      endpoint: () => endpoint,
      channels: [],
      history,
      random,
      patienceMs: PATIENCE_MS,
      returnWithinMs: 0,
    })
    publisher.start()
    await until(() => publisher.isDone(0))
    for (let index = 1; index <= times; index++) {
      cut.where = random.pick(Object.keys(cut.count))
      publisher.publish({ channel: 'lobby' }, { index, filler: 'x'.repeat(random.magnitude(1, 2000)) })
      await until(() => publisher.isDone(0))
      if (process.stderr.isTTY && index % 100 === 0) process.stderr.write(`${index} of ${times}\r`)
    }
    await readJournal({ port: servers.ports[0], channels: new Set(), terms: TERMS, history })
    publisher.stop()
    await servers.stopAll()
    violations = check({ terms: TERMS, events: history.events })
  } finally {
    publisher?.stop()
    servers.destroy()
    await proxy.close()
    rmSync(folder, { recursive: true, force: true })
  }
  const read = history.events.filter(({ type, connection }) => type === 'message' && connection === 'reader#1')
  const kinds = Object.entries(cut.count).map(([where, count]) => `${count} ${where}`)
  console.log(`cut ${kinds.join(', ')}`)
  console.log(`${history.count('send')} sent, ${history.count('settled')} acked, ${read.length} in the journal`)
  for (const { kind, text } of violations.slice(0, 10)) console.log(`  ${kind}: ${text}`)
  const isKept = violations.length === 0 && read.length === times && new Set(read.map(({ id }) => id)).size === times
  console.log(isKept ? 'each once' : 'NOT each once')
  return isKept
}

async function until(isTrue) {
  const deadline = performance.now() + GIVE_UP_MS
  while (!isTrue()) {
    if (performance.now() > deadline) throw new Error('nothing happens any more')
    await sleep(1)
  }
}

// As in chaos.ts: Node 20 might not end by itself.
process.exit((await main()) ? 0 : 1)
