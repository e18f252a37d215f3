/**
 * Sockets that do not behave: they throw, or their server hangs. The client goes on, and lets Node end.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { expect, onTestFinished, test } from 'vitest'
import { WebSocket } from 'ws'
import { connect, type WebSocketConstructor } from '../src/index.js'
import { opened, startServer } from './support/real.js'
import { start, startOpen } from './support/setup.js'

test('a socket whose send throws is replaced, and what was to be sent is sent', async () => {
  const server = await startServer({ presenceIntervalMs: 0 })
  let isBroken = false
  class Fragile extends WebSocket {
    constructor(url: string, protocol: string) {
      super(url, protocol)
      const send = this.send.bind(this)
      this.send = (data: string) => {
        if (isBroken) {
          isBroken = false
          throw new TypeError('send() after close()')
        }
        send(data)
      }
    }
  }
  const client = connect(server.webSocketUrl, { clientId: 'anna', webSocket: Fragile, minDelayMs: 10 })
  onTestFinished(() => client.close())
  await opened(client)
  const reasons: string[] = []
  client.on('state', (state, { reason }) => void reasons.push(`${state}: ${reason}`))
  isBroken = true
  const offsets = await Promise.all([client.publish('one'), client.publish('two')])
  expect(offsets).toEqual([...offsets].sort((a, b) => a - b))
  expect(reasons).toEqual(['reconnecting: send() after close()', 'open: '])
})

test('a socket whose close throws is let go of', async () => {
  const { client, socket } = await startOpen()
  socket.close = () => {
    throw new Error('not now')
  }
  client.close()
  expect(client.state).toBe('closed')
})

test('a socket that can not be made is an error each time, with its cause', async () => {
  const cause = new SyntaxError('not allowed here')
  const refuse = function (): never {
    throw cause
  }
  const setup = await start({ webSocket: refuse as unknown as WebSocketConstructor })
  expect(setup.told.error).toMatchObject([{ code: 'connect_failed', cause, details: { attempt: 1 } }])
  await setup.clock.advance(1000)
  expect(setup.told.error).toMatchObject([{ cause }, { cause, details: { attempt: 2 } }])
})

test('close ends Node although the server has stopped and never answers', async () => {
  const { outputFiles } = await build({
    stdin: {
      contents: `
        import { WebSocket } from 'ws'
        import { connect } from './index.ts'
        const client = connect(process.argv[1], { webSocket: WebSocket })
        client.on('state', (state) => state === 'open' && client.close())
      `,
      resolveDir: fileURLToPath(new URL('../src', import.meta.url)),
    },
    bundle: true,
    platform: 'node',
    format: 'esm',
    external: ['ws'],
    write: false,
    logLevel: 'silent',
  })
  const url = await startHangingServer()
  const root = fileURLToPath(new URL('../../..', import.meta.url))
  const code = outputFiles[0]?.text ?? ''
  const child = spawn(process.execPath, ['--input-type=module', '--eval', code, url], { cwd: root, stdio: 'inherit' })
  onTestFinished(() => void child.kill('SIGKILL'))
  // Without a bound, `ws` waits for 30 s: as long as this test may take.
  expect(await once(child, 'exit')).toEqual([0, null])
}, 25_000)

/** Lets a client in, and does nothing more: it does not answer a close frame. */
async function startHangingServer(): Promise<string> {
  const { createHash } = await import('node:crypto')
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.once('data', (request: Buffer) => {
      const key = /sec-websocket-key: *(\S+)/i.exec(request.toString())?.[1] ?? ''
      const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
      socket.write(
        'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
          `Sec-WebSocket-Protocol: lastcall.v1\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
      )
      const fields = { clientId: 'a', session: 's', cursor: 'e:0', recovered: null, channels: ['lobby'], node: 'n' }
      const welcome = Buffer.from(JSON.stringify({ type: 'welcome', ...fields, heartbeatSeconds: 25 }))
      socket.write(Buffer.concat([Buffer.from([0x81, 126, welcome.length >> 8, welcome.length & 255]), welcome]))
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const address = server.address()
  return `ws://127.0.0.1:${typeof address === 'object' ? address?.port : ''}/ws`
}
