#!/usr/bin/env node
/**
 * The journal is emptied while thousands of clients are connected: each server closes its clients at a pace, tells each one when to
 * return, and all of them are served again, by any server, without a message of the old journal.
 *
 *   npm run replaced -- [--journal redis] [--clients 10000] [--library 100] [--instances 3]
 *
 *   [--untimed]   prints the pace of the closes and the stalls of the servers, and does not judge them
 *
 * Clients by a bare WebSocket return to the next server, with their session and cursor. Those of @lastcall/client do what the library
 * does by itself.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { connect } from '@lastcall/client'
import { WebSocket } from 'ws'
import { History } from './chaos/history.js'
import { endBrokers, startBroker } from './chaos/journals.js'
import { Servers } from './chaos/servers.js'
import { LOOP_WATCH, longestStall } from './joins/stalls.js'
import { Returning } from './replaced/returning.mjs'
import { COMMAND } from '../scripts/repository.js'

const { values } = parseArgs({
  options: {
    journal: { type: 'string', default: 'redis' },
    clients: { type: 'string', default: '10000' },
    library: { type: 'string', default: '100' },
    instances: { type: 'string', default: '3' },
    untimed: { type: 'boolean', default: false },
  },
})

/** Clients that connect at a time. */
const BATCH = 50
const GIVE_UP_MS = 120_000
const OLD_MESSAGES = 5
/** The server's pace is 1,000 a second. A late tick closes up to 100 more. */
const MAX_CLOSES_PER_SECOND = 1110
const MAX_STALL_CPU_MS = 50

/** Resolves with whether it has become true in time. */
async function until(isTrue) {
  const deadline = performance.now() + GIVE_UP_MS
  while (!isTrue()) {
    if (performance.now() > deadline) return false
    await sleep(20)
  }
  return true
}

/** The most of these times that lie within one second. */
function mostWithinASecond(times) {
  const sorted = [...times].sort((a, b) => a - b)
  let first = 0
  let most = 0
  sorted.forEach((time, index) => {
    while (time - sorted[first] >= 1000) first++
    most = Math.max(most, index - first + 1)
  })
  return most
}

/** A client by the library: the application only listens. */
function libraryClient(name, port) {
  const known = { heard: [], returns: 0, ended: undefined, client: undefined }
  known.client = connect(`ws://127.0.0.1:${port}/ws`, { clientId: name, webSocket: WebSocket, maxQueue: Infinity })
  known.client.on('message', ({ data }) => known.heard.push(data))
  known.client.on('recovered', ({ recovered }) => !recovered && known.returns++)
  known.client.on('error', () => undefined)
  known.client.on('close', ({ code }) => (known.ended = code))
  return known
}

function faultsOf(clients, library) {
  const count = (what, all) => all.filter((client) => what(client)).length
  const counts = {
    'clients were closed with another code than 4010, or without `returnInMs`': count((c) => c.isUnannounced, clients),
    'clients were told `recovered: true`': count((c) => c.recovered.at(-1) === true, clients),
    'clients were rejected for good': count((c) => c.isRejected, clients),
    'clients received a message of the old journal in the new one': count((c) => c.hasHeardOld, clients),
    'clients have not returned': count((c) => c.closedAt === undefined || c.returnedAt === undefined, clients),
    'library clients ended': count((c) => c.ended !== undefined, library),
    'library clients were not told of the loss': count((c) => c.returns === 0, library),
    'library clients received an old message twice': count(
      (c) => c.heard.filter((data) => data.startsWith('old')).length > OLD_MESSAGES,
      library,
    ),
  }
  return Object.entries(counts).flatMap(([what, number]) => (number > 0 ? [`${number} ${what}`] : []))
}

const faultsIn = ({ events }) => events.filter(({ what }) => what === 'fault').map(({ text }) => text)

async function main() {
  const [clientCount, libraryCount, count] = [values.clients, values.library, values.instances].map(Number)
  const folder = mkdtempSync(join(tmpdir(), 'lastcall-replaced-'))
  const broker = await startBroker(values.journal)
  const history = new History()
  const names = Array.from({ length: count }, (_, index) => `server-${index + 1}`)
  const envOf = (name) => ({
    JOURNAL_URL: broker.urlBy(broker.port),
    SESSION_SECRET: 'a secret of the replacement, which is no secret at all',
    MAX_CONNECTIONS: '0',
    BROADCAST_INTERVAL: '0',
    MAX_MESSAGES_PER_MINUTE: '0',
    LOG_LEVEL: 'info',
    NODE_OPTIONS: `--import ${LOOP_WATCH}`,
    LOOP_WATCH_FILE: join(folder, name),
  })
  const servers = new Servers({ cli: COMMAND, envOf, names, hasBroker: true, history })
  process.once('exit', () => servers.destroy())
  await servers.startAll()
  const { ports } = servers
  if (ports.length < count) throw new Error(faultsIn(history).join('\n'))
  const stalls = () =>
    Promise.all(servers.instances.map(({ name, process: child }) => longestStall(child, join(folder, name))))

  const clients = []
  while (clients.length < clientCount) {
    const some = Array.from({ length: Math.min(BATCH, clientCount - clients.length) }, (_, at) => {
      const index = clients.length + at
      return new Returning(`client-${index}`, ports, index % count)
    })
    await Promise.all(some.map((client) => client.arrive()))
    clients.push(...some)
  }
  const library = Array.from({ length: libraryCount }, (_, at) => libraryClient(`library-${at}`, ports[at % count]))
  const speaker = connect(`ws://127.0.0.1:${ports[0]}/ws`, { clientId: 'speaker', webSocket: WebSocket })
  if (!(await until(() => library.every(({ client }) => client.state === 'open'))))
    throw new Error('a library client does not connect')
  for (let number = 1; number <= OLD_MESSAGES; number++) await speaker.publish(`old ${number}`)
  const everybody = [...clients, ...library]
  const haveAllHeard = (data) => until(() => everybody.every(({ heard }) => heard.at(-1) === data))
  if (!(await haveAllHeard(`old ${OLD_MESSAGES}`)))
    throw new Error('not everybody is served before the journal is emptied')
  await stalls()
  console.log(`${everybody.length} clients of ${count} servers have heard a message; the journal is emptied`)

  await (broker.losses.has('flush') ? broker.flush() : broker.delete())
  const emptiedAt = performance.now()
  await until(
    () => clients.every(({ returnedAt }) => returnedAt !== undefined) && library.every(({ returns }) => returns > 0),
  )
  const during = await stalls()
  await speaker.publish('the end')
  const areServed = await haveAllHeard('the end')
  const seconds = (times) => ((Math.max(...times) - emptiedAt) / 1000).toFixed(1)
  const closed = clients.flatMap(({ closedAt }) => closedAt ?? [])
  const returned = clients.flatMap(({ returnedAt }) => returnedAt ?? [])
  // A server counts its own closes: the process of the clients may read them late, and many at once.
  const reports = await Promise.all(servers.instances.map(({ process: server }) => server.logged('journal.closes')))
  const pace = Math.max(...reports.map(({ mostInASecond }) => mostInASecond))
  const stallCpuMs = Math.round(Math.max(...during.map(({ cpuMs }) => cpuMs)))
  console.log(
    `${closed.length} closed within ${seconds(closed)} s, at most ${pace} by one server within a second; ${returned.length} ` +
      `returned within ${seconds(returned)} s, at most ${mostWithinASecond(returned)} within a second to all servers; ` +
      `${clients.reduce((sum, { rejections }) => sum + rejections, 0)} attempts were rejected for the time being; longest stall of a ` +
      `server ${Math.round(Math.max(...during.map(({ ms }) => ms)))} ms (${stallCpuMs} ms of CPU)`,
  )
  const faults = faultsOf(clients, library)
  if (!areServed) {
    const lacking = (all) => all.filter(({ heard }) => heard.at(-1) !== 'the end').length
    faults.push(`${lacking(clients)} clients and ${lacking(library)} library clients were not served afterwards`)
  }
  for (const client of clients) client.leave()
  for (const { client } of library) client.close()
  speaker.close()
  await servers.stopAll()
  await broker.dispose()
  await endBrokers()
  rmSync(folder, { recursive: true, force: true })
  faults.push(...faultsIn(history))
  if (!values.untimed && pace > MAX_CLOSES_PER_SECOND)
    faults.push(`${pace} clients of one server were closed within a second`)
  if (!values.untimed && stallCpuMs > MAX_STALL_CPU_MS) faults.push(`a stall took ${stallCpuMs} ms of CPU time`)
  for (const fault of faults) console.log(`  ${fault}`)
  console.log(faults.length === 0 ? 'everybody has returned, and was served' : `${faults.length} faults`)
  return faults.length === 0
}

for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1))
process.exit((await main()) ? 0 : 1)
