/**
 * A deploy under load, measured: two workers of an old build are replaced by SIGHUP while clients of `@lastcall/client`
 * publish and receive. Every client checks that it receives each message of the others exactly once.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect, type Client } from '@lastcall/client'
import { WebSocket } from 'ws'
import { startServer } from './server.js'

const CLIENTS = 400
/** Each of them publishes once per second. */
const PUBLISHERS = 20
const BEFORE_MS = 3_000
const AFTER_MS = 3_000
const SPREAD_SECONDS = 10

/** What one deploy did. All times are in milliseconds after SIGHUP. */
export interface DrainRun extends CrowdResult {
  readonly clients: number
  /** How many clients the server says it migrated. */
  readonly moved: number
  readonly seconds: number
  /** The beginning and the end of the record. */
  readonly fromMs: number
  readonly toMs: number
}

interface CrowdResult {
  readonly lost: number
  readonly repeated: number
  readonly reconnects: number
  readonly delivered: number
  readonly movedAtMs: readonly number[]
  readonly deliveredAtMs: readonly number[]
}

/** Runs one deploy. */
export async function runDrain(): Promise<DrainRun> {
  const setBuild = (folder: string, build: string): void => writeFileSync(join(folder, 'variables'), `BUILD=${build}\n`)
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
      moved: Number(report['moved']),
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
  readonly #url: string
  readonly #clients: Client[] = []
  /** Per client: how often it received each message, by the message's number. */
  readonly #received: Map<unknown, number>[] = []
  readonly #deliveredAtMs: number[] = []
  readonly #movedAtMs: number[] = []
  /** Per published message: the index of its publisher. */
  readonly #published: number[] = []
  readonly #publishing: Promise<number>[] = []
  #reconnects = 0
  #timer: NodeJS.Timeout | undefined

  constructor(url: string) {
    this.#url = url
  }

  async arrive(): Promise<void> {
    const open = Array.from({ length: CLIENTS }, (_, index) => {
      const client = connect(this.#url, { clientId: `client-${index}`, webSocket: WebSocket })
      const received = new Map<unknown, number>()
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
      return new Promise<void>((resolve) => {
        client.on('state', (state) => {
          if (state === 'open') resolve()
        })
      })
    })
    await Promise.all(open)
  }

  startPublishing(): void {
    const publishers = this.#clients.slice(0, PUBLISHERS)
    this.#timer = setInterval(() => {
      const index = this.#published.length % PUBLISHERS
      const number = this.#published.push(index) - 1
      const publisher = publishers[index]
      if (publisher) this.#publishing.push(publisher.publish(number))
    }, 1_000 / PUBLISHERS)
  }

  /** Resolves when every message is acknowledged and every client has received a last one, which follows all others. */
  async stopPublishing(): Promise<void> {
    clearInterval(this.#timer)
    await Promise.all(this.#publishing)
    const [publisher, ...subscribers] = this.#clients
    const last = subscribers.map(
      (client) =>
        new Promise<void>((resolve) => {
          client.on('message', ({ data }) => {
            if (data === 'last') resolve()
          })
        }),
    )
    await publisher?.publish('last')
    await Promise.all(last)
  }

  result(startMs: number): CrowdResult {
    let lost = 0
    let repeated = 0
    for (const [index, received] of this.#received.entries()) {
      for (const [number, publisher] of this.#published.entries()) {
        const times = received.get(number) ?? 0
        if (times === 0 && publisher !== index) lost++
        if (times > 1) repeated += times - 1
      }
    }
    const relative = (times: readonly number[]): number[] => times.map((ms) => ms - startMs)
    return {
      lost,
      repeated,
      reconnects: this.#reconnects,
      delivered: this.#deliveredAtMs.length,
      movedAtMs: relative(this.#movedAtMs),
      deliveredAtMs: relative(this.#deliveredAtMs),
    }
  }

  leave(): void {
    clearInterval(this.#timer)
    for (const client of this.#clients) client.close()
  }
}
