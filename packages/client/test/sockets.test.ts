/**
 * Faulty sockets: they throw, or their server hangs. The client continues, and Node can exit.
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

test('the client replaces a socket whose send throws, and sends the message on the next one', async () => {
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

test('the client drops a socket whose close throws', async () => {
  const { client, socket } = await startOpen()
  socket.close = () => {
    throw new Error('not now')
  }
  client.close()
  expect(client.state).toBe('closed')
})

test('the client reports an error with its cause each time that the socket’s constructor throws', async () => {
  const cause = new SyntaxError('not allowed here')
  const refuse = function (): never {
    throw cause
  }
  const setup = await start({ webSocket: refuse as unknown as WebSocketConstructor })
  expect(setup.events.error).toMatchObject([{ code: 'connect_failed', cause, details: { attempt: 1 } }])
  await setup.clock.advance(1000)
  expect(setup.events.error).toMatchObject([{ cause }, { cause, details: { attempt: 2 } }])
})

test('after close() Node exits although the stopped server never answers', async () => {
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
  // Without a bound of the client, `ws` waits for 30 s, which is the time limit of this test.
  expect(await once(child, 'exit')).toEqual([0, null])
}, 180_000)

/** A server that accepts a client and then sends nothing, not even an answer to a close frame. */
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
