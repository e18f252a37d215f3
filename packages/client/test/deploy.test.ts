/**
 * A deploy, with real servers: an instance is shut down beside another one, behind something that sends each connection
 * to the next of them as it comes. Its clients move, talk meanwhile, and notice nothing.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { WebSocket } from 'ws'
import type { Client, ClientEvents, ClientOptions } from '../src/index.js'
import { Heard, next, opened, startClient, startForwarder, startInstances } from './support/real.js'

const CLIENTS = 8

/** A client that says 0, 1, 2 … in a steady flow, and writes down what it is told. */
class Talker {
  readonly client: Client
  readonly heard: Heard
  readonly told: [keyof ClientEvents, unknown][] = []
  readonly moves: unknown[] = []
  readonly acks: Promise<number>[] = []
  #isTalking = true
  #talk: Promise<void> | undefined

  constructor(webSocketUrl: string, options: ClientOptions) {
    this.client = startClient({ webSocketUrl }, options)
    this.heard = new Heard(this.client)
    for (const event of ['state', 'recovered', 'error', 'close'] as const) {
      this.client.on(event, (payload) => void this.told.push([event, payload]))
    }
    this.client.on('move', (move) => void this.moves.push(move))
  }

  begin(): void {
    this.#talk = this.#goOn()
  }

  async #goOn(): Promise<void> {
    while (this.#isTalking) {
      this.acks.push(this.client.publish([this.client.clientId, this.acks.length]))
      await delay(4)
    }
  }

  /** Says a last thing. */
  async end(): Promise<void> {
    this.#isTalking = false
    await this.#talk
    await this.client.publish(`end of ${this.client.clientId}`)
  }
}

async function startTalkers(webSocketUrl: string): Promise<Talker[]> {
  const talkers = Array.from(
    { length: CLIENTS },
    (_, index) => new Talker(webSocketUrl, { clientId: `client-${index}` }),
  )
  await Promise.all(talkers.map(({ client }) => opened(client)))
  const heard = talkers.map(({ client }) => next(client, 'message'))
  for (const talker of talkers) talker.begin()
  await Promise.all(heard)
  return talkers
}

/** That everybody has heard everything of everybody else, once and in order, and was told nothing but that it is open. */
async function expectNothingNoticed(talkers: readonly Talker[]): Promise<void> {
  for (const talker of talkers) {
    for (const { client, acks } of talkers) {
      if (client === talker.client) continue
      await talker.heard.until(`end of ${client.clientId}`)
      const said = talker.heard.data.filter((data): data is [string, number] => Array.isArray(data))
      const numbers = said.filter(([from]) => from === client.clientId).map(([, number]) => number)
      expect(numbers).toEqual(acks.map((_, index) => index))
    }
    const offsets = await Promise.all(talker.acks)
    expect(offsets).toEqual([...offsets].sort((a, b) => a - b))
    expect(talker.told).toEqual([['state', 'open']])
  }
}

test('every client migrates once and receives every message once and in order, and its application sees no reconnect', async () => {
  const [old, fresh] = await startInstances()
  const ports = [old.port]
  const talkers = await startTalkers((await startForwarder(ports)).webSocketUrl)
  // Every other attempt leads to the one that is shut down.
  ports.push(fresh.port)
  const moved = talkers.map(({ client }) => next(client, 'move'))
  old.shutdown.begin('test')
  await Promise.all(moved)
  const report = await old.shutdown.waitForShutdown()
  await Promise.all(talkers.map((talker) => talker.end()))
  await expectNothingNoticed(talkers)
  for (const { moves } of talkers) expect(moves).toEqual([{ from: old.node, to: fresh.node }])
  expect(report).toMatchObject({ connectionsAtStart: CLIENTS, moved: CLIENTS })
  expect(fresh.connections.getActiveCount()).toBe(CLIENTS)
})

const SPREAD_SECONDS = 3

test('after a cancelled shutdown, clients that have not begun to move stay', async () => {
  const [old, fresh] = await startInstances({ shutdownSpreadSeconds: SPREAD_SECONDS })
  const ports = [old.port]
  const talkers = await startTalkers((await startForwarder(ports)).webSocketUrl)
  ports.push(fresh.port)
  const first = Promise.race(talkers.map(({ client }) => next(client, 'move')))
  const told = talkers.map(({ client }) => Promise.race([next(client, 'shutdownCancelled'), next(client, 'move')]))
  old.shutdown.begin('test')
  await first
  old.shutdown.cancel('test')
  await Promise.all(told)
  // Until all slots would be over. A client that had begun to move completes that.
  await delay(SPREAD_SECONDS * 1000)
  await Promise.all(talkers.map((talker) => talker.end()))
  await expectNothingNoticed(talkers)
  const moves = talkers.map((talker) => talker.moves.length)
  expect(moves).toContain(0)
  expect(old.connections.getActiveCount()).toBe(moves.filter((count) => count === 0).length)
})

test('a replacement that is let in by the instance it comes from takes over, and nothing is lost', async () => {
  const [server] = await startInstances()
  let attempts = 0
  class CallingOff extends WebSocket {
    constructor(url: string, protocol: string) {
      // It was called off while the replacement was on its way.
      if (++attempts === 2) server.shutdown.cancel('test')
      super(url, protocol)
    }
  }
  const boris = startClient(server, { clientId: 'boris' })
  const heard = new Heard(boris)
  await opened(boris)
  const anna = startClient(server, { clientId: 'anna', webSocket: CallingOff })
  await opened(anna)
  const acks: Promise<number>[] = []
  anna.on('shutdown', () => acks.push(...Array.from({ length: 20 }, (_, number) => anna.publish(number))))
  anna.on('shutdownCancelled', () => acks.push(anna.publish(20)))
  const cancelled = next(anna, 'shutdownCancelled')
  server.shutdown.begin('test')
  await cancelled
  await Promise.all(acks)
  await anna.publish('end')
  await heard.until('end')
  expect(heard.data).toEqual([...Array(21).keys(), 'end'])
  expect(anna.state).toBe('open')
})
