/**
 * Real clients and servers with real sockets, time and journals. The end of the test ends them.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { connect as connectTcp, createServer as createTcpServer, type AddressInfo, type Socket } from 'node:net'
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

/** The URL of a file journal that is removed after the test. */
export function journalUrl(): string {
  const folder = mkdtempSync(join(tmpdir(), 'lastcall-client-'))
  onTestFinished(() => rmSync(folder, { recursive: true, maxRetries: 50, retryDelay: 100 }))
  return `file:${join(folder, 'journal')}`
}

/** Two instances of different builds over one journal. `options` apply to the first. */
export async function startInstances(options: ServerOptions = {}): Promise<[RunningServer, RunningServer]> {
  const common = { journalUrl: journalUrl(), sessionSecret: 'x'.repeat(32), presenceIntervalMs: 0 }
  const shutdown = { shutdownTimeoutSeconds: 120, shutdownSpreadSeconds: 1 }
  return [
    await startServer({ ...common, ...shutdown, build: 'old', ...options }),
    await startServer({ ...common, build: 'new' }),
  ]
}

/** Forwards each connection to the next of these ports in turn. The caller may add ports later. */
export async function startForwarder(ports: readonly number[]): Promise<Pick<Address, 'httpUrl' | 'webSocketUrl'>> {
  const sockets = new Set<Socket>()
  let turn = 0
  const forwarder = createTcpServer((near) => {
    const far = connectTcp(ports[turn++ % ports.length] as number, '127.0.0.1')
    const pipe = (from: Socket, to: Socket): void => {
      sockets.add(from)
      from.pipe(to)
      from.on('error', () => to.destroy())
      from.on('close', () => sockets.delete(from))
    }
    pipe(near, far)
    pipe(far, near)
  })
  await new Promise<void>((resolve) => forwarder.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    forwarder.close()
  })
  const { port } = forwarder.address() as AddressInfo
  return { httpUrl: `http://127.0.0.1:${port}`, webSocketUrl: `ws://127.0.0.1:${port}/ws` }
}

/** A client of this server that reconnects quickly. */
export function startClient({ webSocketUrl }: Pick<Address, 'webSocketUrl'>, options: ClientOptions = {}): Client {
  const client = connect(webSocketUrl, { webSocket: WebSocket, minDelayMs: 20, maxDelayMs: 100, ...options })
  onTestFinished(() => client.close())
  return client
}

/** Resolves with the next event of this name whose payload fits. */
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

/** Records the messages that a client receives, and waits for a certain one. */
export class Received {
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
