/**
 * The real command and real signals: their effects, their times, and the exit codes of the process.
 */
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { Command } from '../support/command.js'
import { RawClient } from '../support/raw-client.js'
import { TestClient } from '../support/test-client.js'
import { removeFolder } from '../support/remove-folder.js'

/** The best of three, in milliseconds: what the machine does besides is not what is measured. */
async function bestOfThree(measure: () => Promise<number>): Promise<number> {
  let best = Infinity
  for (let attempt = 0; attempt < 3 && best > 50; attempt++) best = Math.min(best, await measure())
  return best
}

describe('the first signal', () => {
  test('warns every client within 100 ms', async () => {
    const best = await bestOfThree(async () => {
      const command = await Command.serving()
      const clients = await Promise.all(Array.from({ length: 50 }, (_, index) => command.connect(`c${index}`)))
      const sentAtMs = performance.now()
      command.signal('SIGTERM')
      await Promise.all(clients.map((client) => client.first('shutdown', ({ phase }) => phase === 'warning')))
      return performance.now() - sentAtMs
    })
    expect(best).toBeLessThan(100)
  })

  test('ends the process with 0 within 200 ms after the last client has left', async () => {
    const best = await bestOfThree(async () => {
      const command = await Command.serving()
      const [a, b] = [await command.connect('a'), await command.connect('b')]
      command.signal('SIGTERM')
      await Promise.all([a.first('shutdown'), b.first('shutdown')])
      await a.leave()
      await b.publish('still here')
      await b.leave()
      const leftAtMs = performance.now()
      expect(await command.exited).toEqual({ code: 0, signal: null })
      return performance.now() - leftAtMs
    })
    expect(best).toBeLessThan(200)
  })

  test.each(['SIGTERM', 'SIGINT'] as const)(
    '%s: the server serves its clients, rejects new ones, waits, and reports',
    async (signal) => {
      const command = await Command.serving()
      const [a, b] = [await command.connect('a'), await command.connect('b')]
      command.signal(signal)
      await Promise.all([a.first('shutdown'), b.first('shutdown')])

      await a.publish('still talking')
      expect((await b.first('message')).data).toBe('still talking')
      const health = await fetch(new URL('health', command.httpUrl))
      expect([health.status, await health.json()]).toMatchObject([200, { status: 'draining', activeConnections: 2 }])
      expect((await fetch(new URL('ready', command.httpUrl))).status).toBe(503)
      const late = await TestClient.connect(`${command.webSocketUrl}/late`)
      expect(await late.closed).toMatchObject({ code: 1001, reason: expect.stringContaining('завершує') as string })

      await a.leave()
      b.socket.terminate()
      expect(await command.exited).toEqual({ code: 0, signal: null })
      expect(await command.logged('shutdown.report')).toMatchObject({
        why: signal,
        connectionsAtStart: 2,
        left: 1,
        lost: 1,
        remaining: 0,
      })
      expect(command.lines.at(-1)?.event).toBe('shutdown.closed')
      expect(command.other).toEqual([])
    },
  )

  test('of an empty server ends it at once with 0', async () => {
    const command = await Command.serving()
    command.signal('SIGTERM')
    expect(await command.exited).toEqual({ code: 0, signal: null })
  })

  test('leaves no client at SHUTDOWN_TIMEOUT', async () => {
    const command = await Command.serving({ SHUTDOWN_TIMEOUT: '1', CLOSE_TIMEOUT: '1' })
    const clients = await Promise.all(Array.from({ length: 20 }, (_, index) => command.connect(`c${index}`)))
    const sentAtMs = performance.now()
    command.signal('SIGTERM')
    for (const client of clients) {
      expect(await client.closed).toMatchObject({ code: 1001 })
      expect(client.messages.at(-1)).toMatchObject({ type: 'shutdown', phase: 'closing' })
    }
    expect(await command.exited).toEqual({ code: 0, signal: null })
    const tookMs = performance.now() - sentAtMs
    expect(tookMs).toBeGreaterThan(900)
    expect(tookMs).toBeLessThan(4000)
    expect(await command.logged('shutdown.report')).toMatchObject({ closedAtDeadline: 20, lost: 0, remaining: 0 })
  })
})

test('the second signal closes every connection at once and ends with 0', async () => {
  const command = await Command.serving()
  const clients = await Promise.all(['a', 'b', 'c'].map((name) => command.connect(name)))
  command.signal('SIGTERM')
  await Promise.all(clients.map((client) => client.first('shutdown')))
  command.signal('SIGTERM')
  for (const client of clients) expect(await client.closed).toMatchObject({ code: 1001 })
  expect(await command.exited).toEqual({ code: 0, signal: null })
  expect(await command.logged('shutdown.report')).toMatchObject({ closedAtDeadline: 3, lost: 0 })
})

test('the third signal ends the process at once with 1, even with connected clients', async () => {
  const command = await Command.serving({ CLOSE_TIMEOUT: '60' })
  const mute = await RawClient.connect({ host: '127.0.0.1', port: command.port }, 'mute')
  command.signal('SIGTERM')
  await mute.until(({ type }) => type === 'shutdown')
  command.signal('SIGINT')
  await mute.closeFrame
  command.signal('SIGTERM')
  expect(await command.exited).toEqual({ code: 1, signal: null })
  expect(command.lines.filter(({ level }) => level === 'error')).toHaveLength(1)
  mute.socket.destroy()
})

test('a suspended client does not prevent the end of the process', async () => {
  const command = await Command.serving({ SHUTDOWN_TIMEOUT: '0.2', CLOSE_TIMEOUT: '0.5' })
  const suspended = await RawClient.connect({ host: '127.0.0.1', port: command.port }, 'suspended')
  suspended.stopReading()
  command.signal('SIGTERM')
  expect(await command.exited).toEqual({ code: 0, signal: null })
  expect(await command.logged('shutdown.report')).toMatchObject({ lost: 1, remaining: 0 })
  suspended.socket.destroy()
})

describe('a server that cannot start', () => {
  async function busyPort(): Promise<number> {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void server.close())
    return (server.address() as AddressInfo).port
  }

  test('because its port is in use reports this and ends with 1', async () => {
    const port = await busyPort()
    const command = Command.start({ PORT: String(port) })
    expect(await command.exited).toEqual({ code: 1, signal: null })
    const errors = command.lines.filter(({ level }) => level === 'error')
    expect(errors).toHaveLength(1)
    expect(errors[0]?.['msg']).toBe(
      `cannot listen on 127.0.0.1:${port}: another program uses this port. Stop it, or set PORT to another port (EADDRINUSE)`,
    )
    expect(JSON.stringify(errors)).not.toContain('    at ')
  })

  test('because its port is in use leaves a file journal that another server can use', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'lastcall-busy-'))
    onTestFinished(() => removeFolder(folder))
    const JOURNAL_URL = `file:${folder}`
    const failed = Command.start({ PORT: String(await busyPort()), JOURNAL_URL })
    expect(await failed.exited).toEqual({ code: 1, signal: null })
    const command = await Command.serving({ JOURNAL_URL })
    expect(await (await command.connect('a')).publish('hello')).toBeGreaterThan(0)
  })

  test('because its journal is another file reports this, does not change the file, and ends with 1', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'lastcall-foreign-'))
    onTestFinished(() => removeFolder(folder))
    const path = join(folder, 'a-file')
    writeFileSync(path, 'somebody else’s')
    const command = Command.start({ JOURNAL_URL: `file:${path}` })
    expect(await command.exited).toEqual({ code: 1, signal: null })
    expect(command.lines.filter(({ level }) => level === 'error')).toHaveLength(1)
    expect(readFileSync(path, 'utf8')).toBe('somebody else’s')
  })
})
