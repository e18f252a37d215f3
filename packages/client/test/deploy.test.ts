/**
 * A deploy with real servers: one of two instances shuts down behind a forwarder that deals connections out in turn. Its
 * clients migrate and publish meanwhile, and their applications see no interruption.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { WebSocket } from 'ws'
import type { Client, ClientEvents, ClientOptions } from '../src/index.js'
import { Received, next, opened, startClient, startForwarder, startInstances } from './support/real.js'

const CLIENTS = 8

/** A client that publishes 0, 1, 2 … at a steady rate and records its events. */
class Publisher {
  readonly client: Client
  readonly received: Received
  readonly events: [keyof ClientEvents, unknown][] = []
  readonly moves: unknown[] = []
  readonly acks: Promise<number>[] = []
  #isPublishing = true
  #publishing: Promise<void> | undefined

  constructor(webSocketUrl: string, options: ClientOptions) {
    this.client = startClient({ webSocketUrl }, options)
    this.received = new Received(this.client)
    for (const event of ['state', 'recovered', 'error', 'close'] as const) {
      this.client.on(event, (payload) => void this.events.push([event, payload]))
    }
    this.client.on('move', (move) => void this.moves.push(move))
  }

  begin(): void {
    this.#publishing = this.#publishSteadily()
  }

  async #publishSteadily(): Promise<void> {
    while (this.#isPublishing) {
      this.acks.push(this.client.publish([this.client.clientId, this.acks.length]))
      await delay(4)
    }
  }

  /** Stops the publishing and publishes a last message. */
  async end(): Promise<void> {
    this.#isPublishing = false
    await this.#publishing
    await this.client.publish(`end of ${this.client.clientId}`)
  }
}

async function startPublishers(webSocketUrl: string): Promise<Publisher[]> {
  const publishers = Array.from(
    { length: CLIENTS },
    (_, index) => new Publisher(webSocketUrl, { clientId: `client-${index}` }),
  )
  await Promise.all(publishers.map(({ client }) => opened(client)))
  const received = publishers.map(({ client }) => next(client, 'message'))
  for (const publisher of publishers) publisher.begin()
  await Promise.all(received)
  return publishers
}

/** Every client received every message of the others once and in order, and its only event was the state `open`. */
async function expectUninterrupted(publishers: readonly Publisher[]): Promise<void> {
  for (const publisher of publishers) {
    for (const { client, acks } of publishers) {
      if (client === publisher.client) continue
      await publisher.received.until(`end of ${client.clientId}`)
      const numbered = publisher.received.data.filter((data): data is [string, number] => Array.isArray(data))
      const numbers = numbered.filter(([from]) => from === client.clientId).map(([, number]) => number)
      expect(numbers).toEqual(acks.map((_, index) => index))
    }
    const offsets = await Promise.all(publisher.acks)
    expect(offsets).toEqual([...offsets].sort((a, b) => a - b))
    expect(publisher.events).toEqual([['state', 'open']])
  }
}

test('every client migrates once and receives every message once and in order, and its application sees no reconnect', async () => {
  const [old, fresh] = await startInstances()
  const ports = [old.port]
  const publishers = await startPublishers((await startForwarder(ports)).webSocketUrl)
  // The forwarder sends every other attempt to the draining instance.
  ports.push(fresh.port)
  const moved = publishers.map(({ client }) => next(client, 'move'))
  old.shutdown.begin('test')
  await Promise.all(moved)
  const report = await old.shutdown.waitForShutdown()
  await Promise.all(publishers.map((publisher) => publisher.end()))
  await expectUninterrupted(publishers)
  for (const { moves } of publishers) expect(moves).toEqual([{ from: old.node, to: fresh.node }])
  expect(report).toMatchObject({ connectionsAtStart: CLIENTS, moved: CLIENTS })
  expect(fresh.connections.getActiveCount()).toBe(CLIENTS)
})

const SPREAD_SECONDS = 3

test('clients that have not begun to migrate stay connected after the shutdown is cancelled', async () => {
  const [old, fresh] = await startInstances({ shutdownSpreadSeconds: SPREAD_SECONDS })
  const ports = [old.port]
  const publishers = await startPublishers((await startForwarder(ports)).webSocketUrl)
  ports.push(fresh.port)
  const first = Promise.race(publishers.map(({ client }) => next(client, 'move')))
  const events = publishers.map(({ client }) => Promise.race([next(client, 'shutdownCancelled'), next(client, 'move')]))
  old.shutdown.begin('test')
  await first
  old.shutdown.cancel('test')
  await Promise.all(events)
  // All slots would end in this time. A client that had begun to migrate completes its migration.
  await delay(SPREAD_SECONDS * 1000)
  await Promise.all(publishers.map((publisher) => publisher.end()))
  await expectUninterrupted(publishers)
  const moves = publishers.map((publisher) => publisher.moves.length)
  expect(moves).toContain(0)
  expect(old.connections.getActiveCount()).toBe(moves.filter((count) => count === 0).length)
})

test('a replacement connection that the old instance itself accepts takes over without a loss', async () => {
  const [server] = await startInstances()
  let attempts = 0
  class CallingOff extends WebSocket {
    constructor(url: string, protocol: string) {
      // The shutdown is cancelled while the replacement connects.
      if (++attempts === 2) server.shutdown.cancel('test')
      super(url, protocol)
    }
  }
  const boris = startClient(server, { clientId: 'boris' })
  const received = new Received(boris)
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
  await received.until('end')
  expect(received.data).toEqual([...Array(21).keys(), 'end'])
  expect(anna.state).toBe('open')
})
