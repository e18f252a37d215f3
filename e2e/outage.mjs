#!/usr/bin/env node
/**
 * An outage of the broker: clients that are connected stay connected, and are served soon after the broker is back.
 *
 *   npm run outage -- [--journal redis] [--outage 60] [--clients 1000] [--instances 3]
 *
 *   [--untimed]   how long it takes until everybody is served is told, but not judged
 */
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { WebSocket } from 'ws'
import { History } from './chaos/history.js'
import { endBrokers, startBroker } from './chaos/journals.js'
import { Servers } from './chaos/servers.js'
import { COMMAND } from '../scripts/repository.js'

const { values } = parseArgs({
  options: {
    journal: { type: 'string', default: 'redis' },
    outage: { type: 'string', default: '60' },
    clients: { type: 'string', default: '1000' },
    instances: { type: 'string', default: '3' },
    untimed: { type: 'boolean', default: false },
  },
})

/** Clients that connect at a time. */
const BATCH = 50
const SERVED_WITHIN_MS = 2000
const GIVE_UP_MS = 60_000
const RETRY_MS = 25

/** Clients by a bare WebSocket, and what the newest message is that each has heard. */
class Audience {
  #sockets = []
  #heard = []
  closed = 0

  async gather(count, portOf) {
    for (let first = 0; first < count; first += BATCH) {
      const indexes = Array.from({ length: Math.min(BATCH, count - first) }, (_, at) => first + at)
      await Promise.all(indexes.map((index) => this.#join(index, portOf(index))))
    }
  }

  async #join(index, port) {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/ws/client-${index}`, 'lastcall.v1', {
      perMessageDeflate: false,
    })
    this.#sockets.push(socket)
    socket.on('message', (data) => {
      const text = data.toString()
      if (text.startsWith('{"type":"message"')) this.#heard[index] = JSON.parse(text).data
    })
    socket.on('close', () => this.closed++)
    await once(socket, 'message')
  }

  haveAllHeard(data) {
    return this.#sockets.every((_, index) => this.#heard[index] === data)
  }

  leave() {
    for (const socket of this.#sockets) socket.terminate()
  }
}

/** Publishes, and tries again while the journal takes nothing. */
class Speaker {
  #socket
  #count = 0
  refused = 0
  #settle = () => undefined

  async join(port) {
    this.#socket = new WebSocket(`ws://127.0.0.1:${port}/ws/speaker`, 'lastcall.v1')
    this.#socket.on('message', (data) => {
      const { type } = JSON.parse(data.toString())
      if (type === 'ack' || type === 'error') this.#settle(type)
    })
    await once(this.#socket, 'message')
  }

  /** Resolves with whether it was acked. */
  async #say(data, id) {
    const outcome = new Promise((resolve) => (this.#settle = resolve))
    this.#socket.send(JSON.stringify({ type: 'message', data, id }))
    return (await outcome) === 'ack'
  }

  /** Resolves when it is in the journal. */
  async say(data) {
    const id = `said-${++this.#count}`
    const deadline = performance.now() + GIVE_UP_MS
    while (!(await this.#say(data, id))) {
      this.refused++
      if (performance.now() > deadline) throw new Error('the journal takes nothing')
      await sleep(RETRY_MS)
    }
  }

  /** Whether a message is refused. */
  async isRefused() {
    return !(await this.#say('during the outage', 'during-the-outage'))
  }

  leave() {
    this.#socket.terminate()
  }
}

async function until(isTrue) {
  const deadline = performance.now() + GIVE_UP_MS
  while (!isTrue()) {
    if (performance.now() > deadline) return
    await sleep(5)
  }
}

async function main() {
  const [outageMs, clients, count] = [Number(values.outage) * 1000, Number(values.clients), Number(values.instances)]
  const broker = await startBroker(values.journal)
  const history = new History()
  const env = {
    JOURNAL_URL: broker.urlBy(broker.port),
    SESSION_SECRET: 'a secret of the outage, which is no secret at all',
    MAX_CONNECTIONS: String(clients + 100),
    BROADCAST_INTERVAL: '0',
    MAX_MESSAGES_PER_MINUTE: '0',
    LOG_LEVEL: 'info',
  }
  const names = Array.from({ length: count }, (_, index) => `server-${index + 1}`)
  const servers = new Servers({ cli: COMMAND, envOf: () => env, names, hasBroker: true, history })
  process.once('exit', () => servers.destroy())
  await servers.startAll()
  const { ports } = servers
  const audience = new Audience()
  const speaker = new Speaker()
  await audience.gather(clients, (index) => ports[index % ports.length])
  await speaker.join(ports[0])
  await speaker.say('before')
  await until(() => audience.haveAllHeard('before'))
  console.log(`${clients} clients of ${count} servers have heard a message; the broker is killed`)

  await broker.kill()
  await sleep(outageMs)
  const wasRefused = await speaker.isRefused()
  const { closed } = audience
  await broker.start()
  const backAt = performance.now()
  speaker.refused = 0
  await speaker.say('after')
  const ackedMs = performance.now() - backAt
  await until(() => audience.haveAllHeard('after'))
  const servedMs = performance.now() - backAt
  const isServed = audience.haveAllHeard('after')
  console.log(
    `after ${values.outage} s: ${audience.closed} clients were closed; acked ${Math.round(ackedMs)} ms, heard by everybody ` +
      `${Math.round(servedMs)} ms after the broker was back`,
  )
  speaker.leave()
  audience.leave()
  await servers.stopAll()
  await broker.dispose()
  await endBrokers()
  const faults = history.events.filter(({ what }) => what === 'fault').map(({ text }) => text)
  if (!wasRefused) faults.push('a message was acked during the outage')
  if (closed > 0) faults.push(`${closed} clients were closed during the outage`)
  if (!isServed) faults.push('not everybody was served after the outage')
  if (!values.untimed && servedMs > SERVED_WITHIN_MS) faults.push(`it took ${Math.round(servedMs)} ms`)
  for (const fault of faults) console.log(`  ${fault}`)
  console.log(faults.length === 0 ? 'everybody stayed, and was served' : `${faults.length} faults`)
  return faults.length === 0
}

for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1))
process.exit((await main()) ? 0 : 1)
