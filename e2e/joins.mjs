#!/usr/bin/env node
/**
 * Many joins at a time: connections that come with many channels each, and connections that subscribe to many. Neither may
 * keep an event loop busy for long, neither that of the server that they come to nor that of another one which reads of them, nor
 * push messages and their ids out of the history.
 *
 *   npm run joins -- [--journal file] [--connections 300] [--channels 100] [--joiners 60]
 *
 *   [--untimed]   prints the stalls, and does not judge them
 *
 * The CPU time of the longest stall is judged, because a stall lasts longer on a machine that does other things, too.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { WebSocket } from 'ws'
import { History } from './chaos/history.js'
import { Instance } from './chaos/instance.js'
import { endBrokers, startBroker } from './chaos/journals.js'
import { LOOP_WATCH, longestStall } from './joins/stalls.js'
import { COMMAND } from '../scripts/repository.js'

const { values } = parseArgs({
  options: {
    journal: { type: 'string', default: 'file' },
    connections: { type: 'string', default: '300' },
    channels: { type: 'string', default: '100' },
    joiners: { type: 'string', default: '60' },
    untimed: { type: 'boolean', default: false },
  },
})

const STALL_MS = 50
/** So long the connections take to come, to join and to leave. */
const SECOND_MS = 1000
/** As many messages as are kept, all of them said before anybody joins. */
const KEPT = 500
const TIMEOUT_MS = 30_000
/** Longer than presence is gathered in a crowd. */
const QUIET_MS = 2000

/** A client that answers what it was told. */
class Client {
  #socket
  #waiting = new Set()
  messages = []

  static async connect(port, name, query = '') {
    const client = new Client()
    client.#socket = new WebSocket(`ws://127.0.0.1:${port}/ws/${name}${query}`, 'lastcall.v1', {
      perMessageDeflate: false,
    })
    client.#socket.on('message', (data) => {
      const message = JSON.parse(data.toString())
      client.messages.push(message)
      for (const look of client.#waiting) look(message)
    })
    client.#socket.on('error', () => undefined)
    await client.first(({ type }) => type === 'welcome')
    return client
  }

  first(fits) {
    const known = this.messages.find(fits)
    if (known) return Promise.resolve(known)
    return new Promise((resolve, reject) => {
      const overdue = setTimeout(() => reject(new Error('an answer does not come')), TIMEOUT_MS)
      const look = (message) => {
        if (!fits(message)) return
        clearTimeout(overdue)
        this.#waiting.delete(look)
        resolve(message)
      }
      this.#waiting.add(look)
    })
  }

  say(message) {
    this.#socket.send(JSON.stringify(message))
  }

  leave() {
    this.#socket.terminate()
  }
}

/** Begins so many of these, evenly within this time. Resolves when all are done. */
async function within(ms, count, action) {
  const begin = performance.now()
  const all = []
  for (let index = 0; index < count; index++) {
    const early = begin + (index / count) * ms - performance.now()
    if (early > 1) await sleep(early)
    all.push(action(index))
  }
  return await Promise.all(all)
}

const channelNames = (count) => Array.from({ length: count }, (_, index) => `channel-${index + 1}`)

/** A server whose event loop is watched. */
class WatchedServer {
  #file
  #instance

  static async start({ name, folder, env, history }) {
    const server = new WatchedServer()
    server.#file = join(folder, `stalls-of-${name}`)
    const watch = { NODE_OPTIONS: `--import ${LOOP_WATCH}`, LOOP_WATCH_FILE: server.#file }
    server.#instance = new Instance({ name, cli: COMMAND, env: { ...env, ...watch }, history })
    process.once('exit', () => server.#instance.kill('SIGKILL'))
    server.port = (await server.#instance.logged('listening')).port
    return server
  }

  /** Its longest stall since this was asked last. */
  longestStall() {
    return longestStall(this.#instance, this.#file)
  }

  stop() {
    return this.#instance.stop()
  }
}

/** The longest stalls of these servers since this was asked last, and the most CPU time of one of them. */
async function longestStalls(servers) {
  const stalls = []
  for (const server of servers) stalls.push(await server.longestStall())
  const texts = stalls.map(({ ms, cpuMs }) => `${Math.round(ms)} ms (${Math.round(cpuMs)} ms of CPU)`)
  return { cpuMs: Math.max(...stalls.map(({ cpuMs }) => cpuMs)), text: texts.join(', of the other server ') }
}

/** Says so many messages. Resolves with the offset of each. */
async function fill(speaker) {
  const offsets = []
  for (let index = 0; index < KEPT; index += 50) {
    const ids = Array.from({ length: 50 }, (_, at) => `kept-${index + at}`)
    for (const id of ids) speaker.say({ type: 'message', data: id, id })
    for (const id of ids)
      offsets.push((await speaker.first((message) => message.type === 'ack' && message.id === id)).offset)
  }
  return offsets
}

/** What became of the messages that were kept. */
async function faultsOfHistory({ port, cursor, offsets, speaker }) {
  const faults = []
  const late = await Client.connect(port, 'late', `?cursor=${encodeURIComponent(cursor)}`)
  const { recovered } = await late.first(({ type }) => type === 'welcome')
  if (recovered !== true) faults.push('a client that had missed them is told that they are not kept')
  else await late.first(({ data }) => data === `kept-${KEPT - 1}`)
  const heard = late.messages.filter(({ type }) => type === 'message').map(({ offset }) => offset)
  if (recovered === true && heard.join() !== offsets.join())
    faults.push(`${heard.length} of ${KEPT} messages are replayed`)
  late.leave()
  // The first id of all: said again, it is recognised.
  speaker.messages.length = 0
  speaker.say({ type: 'message', data: 'kept-0', id: 'kept-0' })
  const { offset } = await speaker.first(({ type, id }) => type === 'ack' && id === 'kept-0')
  if (offset !== offsets[0]) faults.push(`kept-0 is at ${offsets[0]}, and was taken again, at ${offset}`)
  return faults
}

async function main() {
  const folder = mkdtempSync(join(tmpdir(), 'lastcall-joins-'))
  const broker = await startBroker(values.journal)
  const history = new History()
  const env = {
    JOURNAL_URL: broker ? broker.urlBy(broker.port) : `file:${join(folder, 'journal')}`,
    SESSION_SECRET: 'a secret of the joins, which is no secret at all',
    HISTORY_SIZE: String(KEPT),
    BROADCAST_INTERVAL: '0',
    MAX_MESSAGES_PER_MINUTE: '0',
  }
  const servers = []
  for (const name of ['server', 'other-server']) servers.push(await WatchedServer.start({ name, folder, env, history }))
  const [{ port }] = servers
  const channels = channelNames(Number(values.channels) - 1)
  const speaker = await Client.connect(port, 'speaker')
  const { cursor } = await speaker.first(({ type }) => type === 'welcome')
  const offsets = await fill(speaker)
  await longestStalls(servers)

  const connections = Number(values.connections)
  const came = await within(SECOND_MS, connections, (index) =>
    Client.connect(port, `c-${index}`, `?channels=${channels.join()}`),
  )
  await sleep(QUIET_MS)
  const stallOfConnections = await longestStalls(servers)
  console.log(
    `${connections} connections with ${values.channels} channels each: longest stall ${stallOfConnections.text}`,
  )
  await within(SECOND_MS, connections, async (index) => came[index].leave())
  await sleep(QUIET_MS)
  const stallOfLeaving = await longestStalls(servers)
  console.log(`all of them leave: longest stall ${stallOfLeaving.text}`)

  const joiners = Number(values.joiners)
  const joined = await Promise.all(Array.from({ length: joiners }, (_, index) => Client.connect(port, `j-${index}`)))
  await longestStalls(servers)
  const begin = performance.now()
  await within(SECOND_MS, joiners, (index) => {
    joined[index].say({ type: 'subscribe', channels, id: 'all' })
    return joined[index].first(({ type, id }) => type === 'subscribed' && id === 'all')
  })
  const tookMs = Math.round(performance.now() - begin)
  await sleep(QUIET_MS)
  const stallOfJoins = await longestStalls(servers)
  console.log(`${joiners} × ${channels.length} joins in ${tookMs} ms: longest stall ${stallOfJoins.text}`)

  const faults = await faultsOfHistory({ port, cursor, offsets, speaker })
  for (const client of [...joined, speaker]) client.leave()
  for (const server of servers) await server.stop()
  await broker?.dispose()
  await endBrokers()
  rmSync(folder, { recursive: true, force: true })
  faults.push(...history.events.filter(({ what }) => what === 'fault').map(({ text }) => text))
  const longest = Math.max(...[stallOfConnections, stallOfLeaving, stallOfJoins].map(({ cpuMs }) => cpuMs))
  if (!values.untimed && longest > STALL_MS) faults.push(`a stall took ${Math.round(longest)} ms of CPU time`)
  for (const fault of faults) console.log(`  ${fault}`)
  console.log(faults.length === 0 ? 'everything is kept' : `${faults.length} faults`)
  return faults.length === 0
}

for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1))
process.exit((await main()) ? 0 : 1)
