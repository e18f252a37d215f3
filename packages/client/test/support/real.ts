/**
 * Clients and servers as they are: sockets, time, a journal. Ended with the test.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { WebSocket } from 'ws'
import { createServer, type Address, type LastcallServer, type ServerOptions } from '../../../server/src/index.js'
import { connect, type Client, type ClientEvents, type ClientOptions } from '../../src/index.js'

export interface RunningServer extends LastcallServer, Address {}

export async function startServer(options: ServerOptions = {}): Promise<RunningServer> {
  const server = await createServer({
    host: '127.0.0.1',
    port: 0,
    journalUrl: 'memory:',
    broadcastIntervalSeconds: 0,
    maxMessagesPerMinute: 0,
    shutdownTimeoutSeconds: 0,
    ...options,
  })
  const address = await server.listen()
  onTestFinished(async () => {
    server.connections.terminateAll()
    await server.close()
  })
  return { ...server, ...address }
}

/** Where a journal can be kept for the length of a test. */
export function journalUrl(): string {
  const folder = mkdtempSync(join(tmpdir(), 'lastcall-client-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  return `file:${join(folder, 'journal')}`
}

/** A client of this server that comes back quickly. */
export function startClient({ webSocketUrl }: Address, options: ClientOptions = {}): Client {
  const client = connect(webSocketUrl, { webSocket: WebSocket, minDelayMs: 20, maxDelayMs: 100, ...options })
  onTestFinished(() => client.close())
  return client
}

/** The next event of a kind that fits. */
export function next<Event extends keyof ClientEvents>(
  client: Client,
  event: Event,
  fits: (payload: ClientEvents[Event]) => boolean = () => true,
): Promise<ClientEvents[Event]> {
  return new Promise((resolve) => {
    const off = client.on(event, (payload) => {
      if (!fits(payload)) return
      off()
      resolve(payload)
    })
  })
}

export const opened = (client: Client): Promise<unknown> => next(client, 'state', (state) => state === 'open')

/** Writes down what a client hears, and waits for a certain message. */
export class Heard {
  readonly data: unknown[] = []
  readonly #waiting = new Set<() => void>()

  constructor(client: Client, event: 'message' | 'direct' = 'message') {
    client.on(event, ({ data }) => {
      this.data.push(data)
      for (const check of [...this.#waiting]) check()
    })
  }

  until(data: unknown): Promise<void> {
    return new Promise((resolve) => {
      const check = (): void => {
        if (!this.data.includes(data)) return
        this.#waiting.delete(check)
        resolve()
      }
      this.#waiting.add(check)
      check()
    })
  }
}
