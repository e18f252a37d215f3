#!/usr/bin/env node
/**
 * A thousand clients stop reading while 200 MB are broadcast to them: what that costs the server in memory, what the others
 * notice of it, and what becomes of the thousand. Some read on now and then, within the window: they must miss nothing. The
 * rest must be told that it is too late (4008).
 *
 *   node bench/slow-readers.mjs [--slow 1000] [--pausing 50] [--others 10] [--megabytes 200] [--size 16384]
 *
 * One message is in flight at a time: the next is said when all the others have the last. Linux only; 127.0.0.1 only.
 */
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { openClients } from './load.mjs'

const { values } = parseArgs({
  options: {
    slow: { type: 'string', default: '1000' },
    pausing: { type: 'string', default: '50' },
    others: { type: 'string', default: '10' },
    megabytes: { type: 'string', default: '200' },
    size: { type: 'string', default: '16384' },
  },
})
const [slow, pausing, others, megabytes, size] = ['slow', 'pausing', 'others', 'megabytes', 'size'].map((name) =>
  Number(values[name]),
)
const WINDOW_BYTES = 16 * 1024 * 1024
const MEGABYTE = 1e6
const messages = Math.ceil((megabytes * MEGABYTE) / size)
const WARM_UP = 100
/** Between messages, while somebody has much to read. */
const READING_ON_MS = 20
/** A message that does not come within this is lost. */
const GIVE_UP_MS = 30_000

/** Reads the server's frames: the offset of each, and the close code. Keeps of a frame no more than its last bytes. */
class FrameReader {
  offsets = []
  closeCode
  #rest = Buffer.alloc(0)
  #onOffset

  constructor(onOffset = () => undefined) {
    this.#onOffset = onOffset
  }

  read(data) {
    let bytes = this.#rest.length > 0 ? Buffer.concat([this.#rest, data]) : data
    for (;;) {
      if (bytes.length < 2) break
      const short = bytes[1] & 127
      const head = short < 126 ? 2 : short === 126 ? 4 : 10
      if (bytes.length < head) break
      const length = short < 126 ? short : short === 126 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2))
      if (bytes.length < head + length) break
      this.#take(bytes[0] & 15, bytes.subarray(head, head + length))
      bytes = bytes.subarray(head + length)
    }
    this.#rest = Buffer.from(bytes)
  }

  #take(opcode, payload) {
    if (opcode === 8) this.closeCode = payload.length >= 2 ? payload.readUInt16BE(0) : 1005
    if (opcode !== 1) return
    const offset = /"offset":(\d+)/.exec(payload.subarray(-100).toString('latin1'))?.[1]
    if (offset === undefined) return
    this.offsets.push(Number(offset))
    this.#onOffset(Number(offset))
  }
}

const pssMb = (pid) =>
  (Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))[1]) * 1024) / MEGABYTE

const percentile = (numbers, part) => numbers.toSorted((a, b) => a - b)[Math.floor((numbers.length - 1) * part)]

/** Whether nothing is missing between the first and the last: by the acks, for instances take offsets, too. */
const isGapless = (offsets, said) => {
  const begin = said.indexOf(offsets[0])
  return offsets.every((offset, index) => offset === said[begin + index])
}

async function main() {
  const folder = mkdtempSync(join(tmpdir(), 'lastcall-slow-'))
  const server = spawn(fileURLToPath(new URL('../packages/server/bin/lastcall.js', import.meta.url)), {
    env: {
      ...process.env,
      ...{ HOST: '127.0.0.1', PORT: '0', LOG_FORMAT: 'json', JOURNAL_URL: `file:${join(folder, 'journal')}` },
      ...{ MAX_CONNECTIONS: '0', MAX_MESSAGES_PER_MINUTE: '0', BROADCAST_INTERVAL: '0', PRESENCE_INTERVAL: '0' },
      ...{ HISTORY_BYTES: String(WINDOW_BYTES), HISTORY_SIZE: '1000000', HISTORY_TTL: '3600' },
      // Who does not read does not answer pings either, nor a close: neither is the subject here.
      ...{ HEARTBEAT_INTERVAL: '600', CLOSE_TIMEOUT: '120' },
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  try {
    await measure(server)
  } finally {
    server.kill('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  }
}

async function measure(server) {
  const port = await new Promise((resolve) => {
    createInterface({ input: server.stdout }).on('line', (line) => {
      const { event, port: bound } = JSON.parse(line)
      if (event === 'listening') resolve(bound)
    })
  })
  let saidAt = 0
  let latencies = []
  let waitingFor = 0
  let complete = () => undefined
  const enter = async (count, name, onOffset) => {
    const readers = Array.from({ length: count }, () => new FrameReader(onOffset))
    const clients = await openClients(count, { port, path: `/ws/${name}-%d` }, (data, index) =>
      readers[index].read(data),
    )
    return clients.map(({ socket, say }, index) => ({ socket, say, reader: readers[index] }))
  }
  const heard = () => {
    latencies.push(performance.now() - saidAt)
    if (--waitingFor === 0) complete()
  }
  const [speaker] = await enter(1, 'speaker')
  const text = JSON.stringify({ type: 'message', data: 'x'.repeat(size) })
  const say = async () => {
    waitingFor = others
    const all = new Promise((resolve) => (complete = resolve))
    const overdue = setTimeout(() => {
      throw new Error('a message did not come')
    }, GIVE_UP_MS)
    saidAt = performance.now()
    speaker.say(text)
    await all
    clearTimeout(overdue)
  }
  /** Says so many messages; the answer is the 99th percentile of how long they took. */
  const p99Of = async (count, between = () => undefined) => {
    latencies = []
    for (let index = 0; index < count; index++) {
      await say()
      await between(index)
    }
    return percentile(latencies, 0.99)
  }

  const ordinary = await enter(others, 'other', heard)
  await p99Of(WARM_UP)
  const alone = await p99Of(5 * WARM_UP)
  const crowd = await enter(slow, 'slow')
  const together = await p99Of(WARM_UP)
  await sleep(1000)

  const before = pssMb(server.pid)
  let highest = before
  let finished = false
  const sampling = (async () => {
    while (!finished) {
      highest = Math.max(highest, pssMb(server.pid))
      await sleep(50)
    }
  })()
  for (const { socket } of crowd) socket.pause()
  const pausers = crowd.slice(0, pausing)
  // Half a window is said while they look away. Then they read on, and more is said while they do, but no faster than a
  // reader could bear that has so much to read already.
  const away = Math.floor(WINDOW_BYTES / 2 / size)
  const { offsets: heardByOne } = ordinary[0].reader
  let pausedAt = 0
  const during = await p99Of(messages, async (index) => {
    if (index - pausedAt === away) for (const { socket } of pausers) socket.resume()
    if (index - pausedAt < away) return
    if (pausers.some(({ reader }) => reader.offsets.at(-1) < heardByOne.at(-2))) await sleep(READING_ON_MS)
    else {
      pausedAt = index
      for (const { socket } of pausers) socket.pause()
    }
  })
  finished = true
  await sampling
  const after = pssMb(server.pid)

  const rest = crowd.slice(pausing)
  const last = heardByOne.at(-1)
  const { offsets: said } = speaker.reader
  for (const { socket } of crowd) socket.resume()
  const isOver = ({ reader }) => reader.closeCode !== undefined || reader.offsets.at(-1) === last
  for (let waited = 0; waited < GIVE_UP_MS && !crowd.every(isOver); waited += 100) {
    // A close is answered by an end, and that is all that is asked of them.
    for (const { socket, reader } of rest) if (reader.closeCode !== undefined) socket.end()
    await sleep(100)
  }
  const gotAll = (group) =>
    group.filter(({ reader }) => reader.offsets.at(-1) === last && isGapless(reader.offsets, said)).length
  const tooSlow = (group) =>
    group.filter(({ reader }) => reader.closeCode === 4008 && isGapless(reader.offsets, said)).length
  console.log(`${slow} clients stop reading while ${messages} messages of ${size} bytes are said, 16 MiB are kept`)
  console.table({
    'others that got everything': `${gotAll(ordinary)} of ${others}`,
    'pausing ones that got everything': `${gotAll(pausers)} of ${pausing}`,
    'of the rest, closed with 4008': `${tooSlow(rest)} of ${rest.length}`,
    'of the rest, got everything': `${gotAll(rest)} of ${rest.length}`,
    'MB before': before.toFixed(0),
    'MB at most': highest.toFixed(0),
    'MB at most beyond before and window': (highest - before - WINDOW_BYTES / MEGABYTE).toFixed(0),
    'MB at the end': after.toFixed(0),
    'p99 of the others alone, ms': alone.toFixed(1),
    'p99 while all read, ms': together.toFixed(1),
    'p99 while they do not, ms': during.toFixed(1),
  })
}

await main()
process.exit()
