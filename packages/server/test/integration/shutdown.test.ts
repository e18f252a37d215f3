/**
 * A shutdown over real sockets: the server warns its clients, serves and waits for them, and loses no message at the end.
 */
import { mkdtempSync } from 'node:fs'
import { request } from 'node:http'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { once } from 'node:events'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { Connection } from '../../src/connections/connection.js'
import { subscriberOf } from '../../src/hub/subscriber.js'
import { createServer, type DrainReport } from '../../src/index.js'
import { handshake, RawClient } from '../support/raw-client.js'
import { TestClient } from '../support/test-client.js'
import { startServer, type TestServer } from '../support/test-server.js'
import { removeFolder } from '../support/remove-folder.js'

const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, index) => from + index)

const start = (some: Parameters<typeof startServer>[0] = {}): Promise<TestServer> =>
  startServer({ presenceIntervalMs: 0, ...some })

function get(server: TestServer, path: string): Promise<{ status: number; connection: string; body: unknown }> {
  return new Promise((resolve, reject) => {
    request(new URL(path, server.httpUrl), { agent: false }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('end', () => {
        const body: unknown = JSON.parse(Buffer.concat(chunks).toString())
        resolve({ status: response.statusCode ?? 0, connection: response.headers.connection ?? '', body })
      })
    })
      .on('error', reject)
      .end()
  })
}

const addsUp = (report: DrainReport): void => {
  const { left, moved, closedInSlot, closedAtDeadline, lost, remaining } = report
  expect(left + moved + closedInSlot + closedAtDeadline + lost + remaining).toBe(
    report.connectionsAtStart + report.cameLater,
  )
}

const isBehind = (connection: Connection | undefined): boolean =>
  connection !== undefined && subscriberOf(connection)?.catchUp !== undefined

describe('while it drains', () => {
  test('each client is warned in its language, and messages continue', async () => {
    const server = await start()
    const a = await server.connect('a')
    const b = await server.connect('b', { headers: { 'accept-language': 'en' } })
    const ended = server.close()
    const [toA, toB] = [await a.first('shutdown'), await b.first('shutdown')]
    expect(toA).toMatchObject({ phase: 'warning', remaining: 2, text: expect.stringContaining('30 хвилин') as string })
    expect(toB).toMatchObject({ phase: 'warning', text: expect.stringContaining('30 minutes') as string })
    expect(toA.deadlineInMs).toBeGreaterThan(1_799_000)
    expect(toA.deadlineInMs).toBeLessThanOrEqual(1_800_000)

    await a.publish('still talking')
    expect((await b.first('message')).data).toBe('still talking')
    b.send({ type: 'subscribe', channels: ['news'] })
    await b.first('subscribed')
    b.send({ type: 'ping' })
    await b.first('pong')
    await a.leave()
    await b.leave()
    await ended
  })

  test('/health answers 200, /ready 503, and answers ask HTTP clients to close their connections', async () => {
    const server = await start()
    const a = await server.connect('a')
    expect(await get(server, '/ready')).toMatchObject({ status: 200 })
    const ended = server.close()
    await a.first('shutdown')
    expect(await get(server, '/health')).toMatchObject({
      status: 200,
      connection: 'close',
      body: { status: 'draining', shutdownInProgress: true, activeConnections: 1 },
    })
    expect(await get(server, '/ready')).toMatchObject({ status: 503, connection: 'close' })
    await a.leave()
    await ended
    await expect(get(server, '/health')).rejects.toThrow()
  })

  test('new clients are closed with 1001 and a readable reason', async () => {
    const server = await start()
    const a = await server.connect('a')
    const ended = server.close()
    await a.first('shutdown')
    const late = await TestClient.connect(`${server.webSocketUrl}/late`)
    expect(await late.closed).toEqual({ code: 1001, reason: 'Сервер завершує роботу. Підключіться ще раз.' })
    expect(late.messages).toEqual([])
    const english = await TestClient.connect(`${server.webSocketUrl}/late`, { headers: { 'accept-language': 'en' } })
    expect((await english.closed).reason).toBe('The server is shutting down. Please connect again.')
    await a.leave()
    expect(await ended).toMatchObject({ connectionsAtStart: 1, cameLater: 0, left: 1 })
  })

  test('a client in the middle of its handshake at that moment is rejected, too', async () => {
    const server = await start()
    const a = await server.connect('a')
    const epoch = a.cursor.split(':')[0] as string
    // The server waits until it has read up to this cursor.
    const midway = TestClient.connect(`${server.webSocketUrl}/midway?cursor=${epoch}:5`)
    await new Promise<void>((resolve) => {
      const poll = (): void => {
        if (a.messages.length > 1) resolve()
        else setImmediate(poll)
      }
      a.send({ type: 'ping' })
      poll()
    })
    const ended = server.close()
    expect(await (await midway).closed).toMatchObject({ code: 1001 })
    await a.leave()
    await ended
  })

  test('the server sends no periodic message', async () => {
    const server = await start({ broadcastIntervalSeconds: 0.02 })
    const a = await server.connect('a')
    await a.first('periodic')
    const ended = server.close()
    const warning = await a.first('shutdown')
    for (let round = 0; round < 20; round++) await a.publish(round)
    await new Promise((resolve) => setTimeout(resolve, 60))
    await a.publish('marker')
    expect(a.messages.slice(a.messages.indexOf(warning)).filter(({ type }) => type === 'periodic')).toEqual([])
    await a.leave()
    await ended
  })

  test('the server accepts new clients during SHUTDOWN_DELAY, and warns them afterwards', async () => {
    const server = await start({ shutdownDelaySeconds: 0.3 })
    const a = await server.connect('a')
    const ended = server.close()
    expect(await get(server, '/ready')).toMatchObject({ status: 503 })
    const late = await server.connect('late')
    expect(a.all('shutdown')).toEqual([])
    for (const client of [a, late])
      expect(await client.first('shutdown')).toMatchObject({ phase: 'warning', remaining: 2 })
    await a.leave()
    await late.leave()
    const report = await ended
    expect(report).toMatchObject({ connectionsAtStart: 1, cameLater: 1, left: 2 })
    addsUp(report)
  })
})

describe('when the last client has left', () => {
  test('the server ends at once', async () => {
    const server = await start()
    const clients = await Promise.all(['a', 'b', 'c'].map((name) => server.connect(name)))
    const ended = server.close()
    await Promise.all(clients.map((client) => client.first('shutdown')))
    for (const client of clients) await client.leave()
    const leftAtMs = performance.now()
    const report = await ended
    expect(performance.now() - leftAtMs).toBeLessThan(1000)
    expect(report).toMatchObject({
      why: 'request',
      mode: 'wait',
      connectionsAtStart: 3,
      left: 3,
      lost: 0,
      remaining: 0,
    })
    addsUp(report)
  })

  test('a rejected client that keeps its connection does not delay the shutdown', async () => {
    const server = await start({ closeTimeoutSeconds: 60 })
    const a = await server.connect('a')
    const ended = server.close()
    await a.first('shutdown')
    const lingering: Socket[] = []
    for (const path of ['/ws/late', '/nowhere']) {
      const socket = connect(server.port, server.host)
      socket.on('error', () => undefined)
      socket.write(handshake(path))
      await once(socket, 'data')
      lingering.push(socket)
    }
    await a.leave()
    await ended
    for (const socket of lingering) socket.destroy()
  })

  test('an HTTP connection that is kept alive or silent delays the end only briefly', async () => {
    const server = await start()
    const idle = connect(server.port, server.host)
    const keptAlive = connect(server.port, server.host)
    for (const socket of [idle, keptAlive]) socket.on('error', () => undefined)
    keptAlive.write('GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n')
    await once(keptAlive, 'data')
    const startedAtMs = performance.now()
    await server.close()
    expect(performance.now() - startedAtMs).toBeLessThan(3000)
    idle.destroy()
    keptAlive.destroy()
  })

  test('a second call gets the same report', async () => {
    const server = await start()
    const [first, second] = await Promise.all([server.close(), server.close()])
    expect(second).toBe(first)
    expect(await server.close()).toBe(first)
  })
})

describe('at the deadline', () => {
  test('a client that stays gets the last frame and 1001, and the report adds up', async () => {
    const server = await start({ shutdownTimeoutSeconds: 0.6 })
    const staying = await Promise.all(range(1, 20).map((index) => server.connect(`stays${index}`)))
    const leaving = await Promise.all(range(1, 5).map((index) => server.connect(`leaves${index}`)))
    const startedAtMs = performance.now()
    const ended = server.close()
    await Promise.all(leaving.map(async (client) => client.first('shutdown').then(() => client.leave())))
    for (const client of staying) {
      expect(await client.closed).toEqual({ code: 1001, reason: 'Сервер завершує роботу. Підключіться ще раз.' })
      expect(client.messages.at(-1)).toMatchObject({ type: 'shutdown', phase: 'closing', deadlineInMs: 0 })
    }
    const report = await ended
    expect(performance.now() - startedAtMs).toBeGreaterThanOrEqual(500)
    expect(performance.now() - startedAtMs).toBeLessThan(3000)
    expect(report).toMatchObject({ connectionsAtStart: 25, left: 5, closedAtDeadline: 20, lost: 0, remaining: 0 })
    expect(report).toMatchObject({ bytesUnflushed: 0, messagesUnacked: 0 })
    addsUp(report)
  })

  test('the close code may be 1012', async () => {
    const server = await start({ shutdownTimeoutSeconds: 0.1, shutdownCloseCode: 1012 })
    const a = await server.connect('a')
    await server.close()
    expect(await a.closed).toMatchObject({ code: 1012 })
  })

  test('a client with 5 MB unread gets all due frames, then the last frame, then the close', async () => {
    const server = await start({ shutdownTimeoutSeconds: 0.3 })
    const speaker = await server.connect('speaker')
    const slow = await RawClient.connect(server, 'slow')
    slow.stopReading()
    for (let index = 1; index < 640; index++) speaker.send({ type: 'message', data: 'x'.repeat(16 * 1024) })
    const last = await speaker.publish('x'.repeat(16 * 1024))
    expect(isBehind(server.connections.get('slow'))).toBe(true)
    const ended = server.close()
    expect(await speaker.closed).toMatchObject({ code: 1001 })
    slow.startReading()
    expect(await slow.closeFrame).toMatchObject({ code: 1001 })
    expect(slow.offsets).toEqual(range(1, last))
    expect(slow.messages.at(-1)).toMatchObject({ type: 'shutdown', phase: 'closing' })
    slow.sendClose(1001)
    slow.socket.end()
    const report = await ended
    expect(report).toMatchObject({ closedAtDeadline: 2, lost: 0, bytesUnflushed: 0, messagesUnacked: 0 })
  })

  test('a client that never reads is terminated after CLOSE_TIMEOUT, and counts as lost with its unread bytes', async () => {
    const server = await start({ shutdownTimeoutSeconds: 0.1, closeTimeoutSeconds: 0.3 })
    const speaker = await server.connect('speaker')
    const slow = await RawClient.connect(server, 'slow')
    slow.stopReading()
    for (let index = 0; index < 640; index++) speaker.send({ type: 'message', data: 'x'.repeat(16 * 1024) })
    await speaker.publish('marker')
    const report = await server.close()
    expect(report).toMatchObject({ connectionsAtStart: 2, closedAtDeadline: 1, lost: 1, remaining: 0 })
    expect(report.bytesUnflushed).toBeGreaterThan(0)
    slow.socket.destroy()
  })

  test('the server waits for a client that does not answer the close no longer than CLOSE_TIMEOUT', async () => {
    const server = await start({ shutdownTimeoutSeconds: 0.1, closeTimeoutSeconds: 0.2 })
    const mute = await RawClient.connect(server, 'mute')
    const report = await server.close()
    expect(await mute.ended).toMatchObject({ code: 1001 })
    expect(report).toMatchObject({ lost: 1, closedAtDeadline: 0 })
  })
})

describe('a message that is on its way when its connection is closed', () => {
  test('is acknowledged before the close if the journal has it, and otherwise is nowhere', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'lastcall-shutdown-'))
    onTestFinished(() => removeFolder(folder))
    for (let round = 0; round < 5; round++) {
      const server = await start({ journalUrl: `file:${folder}/${round}` })
      const [a, b] = [await server.connect('a'), await server.connect('b')]
      for (let index = 0; index < 200; index++) a.send({ type: 'message', data: index, id: `i${index}` })
      // In the middle of the messages: the server has acknowledged some, accepted others, and not read the rest.
      await until(() => (server.connections.get('a')?.unacked ?? 0) > 0)
      server.shutdown.handleSignal('SIGTERM')
      server.shutdown.handleSignal('SIGTERM')
      expect(await a.closed).toMatchObject({ code: 1001 })
      await b.closed
      const acked = a.all('ack').map(({ id }) => id)
      const refused = a.all('error').map(({ id, code }) => [id, code])
      expect(acked.length).toBeGreaterThan(0)
      // A client that left before the last one does not receive that last leave, but all leaves before it.
      const heard = b.all('message').map(({ id }) => id)
      expect(heard).toEqual(acked.slice(0, heard.length))
      expect(acked).toEqual(acked.map((_, index) => `i${index}`))
      for (const [id, code] of refused) {
        expect(code).toBe('shutting_down')
        expect(acked).not.toContain(id)
      }
      expect(await server.shutdown.waitForShutdown()).toMatchObject({ messagesUnacked: 0, lost: 0 })
      // The journal contains exactly the acknowledged messages.
      const again = await start({ journalUrl: `file:${folder}/${round}` })
      const c = await again.connect(`c?cursor=${a.cursor.split(':')[0] ?? ''}:0`)
      await c.publish('marker')
      expect(c.all('message').map(({ id }) => id)).toEqual(acked)
    }
  })
})

describe('a second signal', () => {
  test('closes every connection at once, whatever the remaining time', async () => {
    const server = await start()
    const clients = await Promise.all(range(1, 50).map((index) => server.connect(`c${index}`)))
    server.shutdown.handleSignal('SIGTERM')
    await Promise.all(clients.map((client) => client.first('shutdown')))
    server.shutdown.handleSignal('SIGINT')
    for (const client of clients) {
      expect(await client.closed).toMatchObject({ code: 1001 })
      expect(client.all('shutdown').map(({ phase }) => phase)).toEqual(['warning', 'closing'])
    }
    expect(await server.shutdown.waitForShutdown()).toMatchObject({ closedAtDeadline: 50, lost: 0 })
  })
})

describe('a server that is closed early', () => {
  test('before it listens, ends', async () => {
    const server = await createServer({ host: '127.0.0.1', port: 0, journalUrl: 'memory:' })
    expect(await server.close()).toMatchObject({ connectionsAtStart: 0 })
  })

  test('while it begins to listen, ends, and its port is free', async () => {
    const server = await createServer({ host: '127.0.0.1', port: 0, journalUrl: 'memory:' })
    const listening = server.listen().catch(() => undefined)
    await server.close()
    const address = await listening
    if (!address) return
    const socket = connect(address.port, address.host)
    expect(await once(socket, 'error').then(([error]) => (error as NodeJS.ErrnoException).code)).toBe('ECONNREFUSED')
  })
})

/** As soon as it is so, looked at in every turn of the event loop. */
async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setImmediate(resolve))
}
