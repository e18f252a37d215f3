/**
 * A deploy under load, measured: two workers of an old build are replaced by SIGHUP while clients of `@lastcall/client`
 * publish and receive. Every client checks that it receives each message of the others exactly once.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect } from '@lastcall/client'
import { WebSocket } from 'ws'
import { startServer } from './server.mjs'

const CLIENTS = 400
/** Each of them publishes once per second. */
const PUBLISHERS = 20
const BEFORE_MS = 3_000
const AFTER_MS = 3_000
const SPREAD_SECONDS = 10

/**
 * Runs one deploy. All times of the answer are in milliseconds after SIGHUP.
 *
 * @returns the times at which clients migrated and frames were delivered, and the totals of the run
 */
export async function runDrain() {
  const setBuild = (folder, build) => writeFileSync(join(folder, 'variables'), `BUILD=${build}\n`)
  const server = await startServer((folder) => {
    setBuild(folder, 'old')
    return {
      ENV_FILE: join(folder, 'variables'),
      WORKERS: '2',
      SHUTDOWN_SPREAD: String(SPREAD_SECONDS),
      MAX_MESSAGES_PER_MINUTE: '0',
      BROADCAST_INTERVAL: '0',
    }
  })
  const crowd = new Crowd(`ws://127.0.0.1:${server.port}/ws`)
  try {
    await crowd.arrive()
    crowd.startPublishing()
    await sleep(BEFORE_MS)
    setBuild(server.folder, 'new')
    const startMs = performance.now()
    server.child.kill('SIGHUP')
    const report = await server.logged('shutdown.report')
    const endMs = performance.now()
    await sleep(AFTER_MS)
    await crowd.stopPublishing()
    return {
      ...crowd.result(startMs),
      clients: CLIENTS,
      moved: report.moved,
      seconds: (endMs - startMs) / 1000,
      fromMs: -BEFORE_MS,
      toMs: endMs - startMs + AFTER_MS,
    }
  } finally {
    crowd.leave()
    await server.stop()
  }
}

class Crowd {
  #url
  #clients = []
  /** Per client: how often it received each message, by the message's number. */
  #received = []
  #deliveredAtMs = []
  #movedAtMs = []
  /** Per published message: the index of its publisher. */
  #published = []
  #publishing = []
  #reconnects = 0
  #timer

  constructor(url) {
    this.#url = url
  }

  async arrive() {
    const open = Array.from({ length: CLIENTS }, (_, index) => {
      const client = connect(this.#url, { clientId: `client-${index}`, webSocket: WebSocket })
      const received = new Map()
      client.on('message', ({ data }) => {
        this.#deliveredAtMs.push(performance.now())
        received.set(data, (received.get(data) ?? 0) + 1)
      })
      client.on('state', (state) => {
        if (state === 'reconnecting') this.#reconnects++
      })
      client.on('move', () => this.#movedAtMs.push(performance.now()))
      this.#clients.push(client)
      this.#received.push(received)
      return new Promise((resolve) => client.on('state', (state) => state === 'open' && resolve()))
    })
    await Promise.all(open)
  }

  startPublishing() {
    this.#timer = setInterval(() => {
      const index = this.#published.length % PUBLISHERS
      const number = this.#published.push(index) - 1
      this.#publishing.push(this.#clients[index].publish(number))
    }, 1_000 / PUBLISHERS)
  }

  /** Resolves when every message is acknowledged and every client has received a last one, which follows all others. */
  async stopPublishing() {
    clearInterval(this.#timer)
    await Promise.all(this.#publishing)
    const last = this.#clients.map(
      (client, index) =>
        new Promise((resolve) => {
          if (index === 0) resolve()
          else client.on('message', ({ data }) => data === 'last' && resolve())
        }),
    )
    await this.#clients[0].publish('last')
    await Promise.all(last)
  }

  result(startMs) {
    let lost = 0
    let repeated = 0
    for (const [index, received] of this.#received.entries()) {
      for (const [number, publisher] of this.#published.entries()) {
        const times = received.get(number) ?? 0
        if (times === 0 && publisher !== index) lost++
        if (times > 1) repeated += times - 1
      }
    }
    const relative = (times) => times.map((ms) => ms - startMs)
    return {
      lost,
      repeated,
      reconnects: this.#reconnects,
      delivered: this.#deliveredAtMs.length,
      movedAtMs: relative(this.#movedAtMs),
      deliveredAtMs: relative(this.#deliveredAtMs),
    }
  }

  leave() {
    clearInterval(this.#timer)
    for (const client of this.#clients) client.close()
  }
}
