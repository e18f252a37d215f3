/**
 * The cases of the Autobahn test suite: the WebSocket side of the server answers each of them as plain `ws` does. Both
 * send back what arrives, for that is what the suite asks for. `kosoku` runs the suite's own cases.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { WebSocketServer } from 'ws'
import { CLOSE_CODES } from '@lastcall/protocol'
import { encodeTextFrame } from '../../src/websocket/frame.js'
import { systemClock } from '../../src/clock.js'
import { NodeFront } from '../../src/websocket/node-front.js'
import { WebSocketAcceptor } from '../../src/websocket/websocket-transport.js'
import { find, lacks } from '../support/programs.js'
import { removeFolder } from '../support/remove-folder.js'

const KOSOKU = find('kosoku')

/** The suite sends messages of up to 16 MiB. */
const MAX_PAYLOAD_BYTES = 32 * 1024 ** 2

/** The cases whose messages are binary: the server has no binary messages, and closes with 1003. */
const BINARY = ['1.2.*', '9.2.*', '9.4.*', '9.6.*', '9.8.*']

/** The cases of permessage-deflate, which the server does not offer. */
const COMPRESSED = ['12.*', '13.*']

/** Sends texts back over the server's own front and frames. */
function serveByFront(server: Server): void {
  const acceptor = new WebSocketAcceptor({
    maxPayloadBytes: MAX_PAYLOAD_BYTES,
    maxBufferedBytes: MAX_PAYLOAD_BYTES,
    closeTimeoutMs: 2_000,
    clock: systemClock,
  })
  const front = new NodeFront({
    server,
    path: '',
    listen: () => Promise.resolve(),
    stopListening: () => undefined,
    acceptor,
    onUpgrade: () => undefined,
    addressOf: () => undefined,
    headers: {},
  })
  const ignore = (): void => undefined
  front.onConnection((_handshake, reply) => {
    reply.accept((transport) => {
      transport.listener = {
        onText: (text) => transport.write(encodeTextFrame(text)),
        onBinary: () => transport.close(CLOSE_CODES.unsupported, ''),
        onExtraFrames: ignore,
        onAlive: ignore,
        onDrain: ignore,
        onClosing: ignore,
        onClosed: ignore,
      }
    })
  })
  front.adopt(server, '')
}

function serveByWs(server: Server): void {
  new WebSocketServer({ server, maxPayload: MAX_PAYLOAD_BYTES }).on('connection', (socket) => {
    socket.on('message', (data, binary) => socket.send(data, { binary }))
    socket.on('error', () => undefined)
  })
}

interface Verdict {
  readonly behavior: string
  readonly behaviorClose: string
  /** `null`: no close frame came. */
  readonly remoteCloseCode: number | null
}

/** Runs the suite against a server; resolves with its verdict on each case. */
async function verdicts(serve: (server: Server) => void): Promise<Record<string, Verdict>> {
  const server = createServer()
  serve(server)
  await once(server.listen(0, '127.0.0.1'), 'listening')
  onTestFinished(() => void server.close())
  const folder = mkdtempSync(join(tmpdir(), 'lastcall-autobahn-'))
  onTestFinished(() => removeFolder(folder))
  const excluded = [...BINARY, ...COMPRESSED].flatMap((cases) => ['--exclude', cases])
  const address = `127.0.0.1:${String((server.address() as AddressInfo).port)}`
  const suite = spawn(KOSOKU, ['--parallelism', '4', '--outdir', folder, ...excluded, address], { stdio: 'ignore' })
  onTestFinished(() => void suite.kill('SIGKILL'))
  await once(suite, 'exit')
  const index = JSON.parse(readFileSync(join(folder, 'index.json'), 'utf8')) as Record<string, Record<string, Verdict>>
  const cases = Object.entries(index[address] ?? {})
  return Object.fromEntries(
    cases.map(([name, { behavior, behaviorClose, remoteCloseCode }]) => [
      name,
      { behavior, behaviorClose, remoteCloseCode },
    ]),
  )
}

test.skipIf(lacks('PyPI: kosoku', KOSOKU))(
  'the server answers each case of Autobahn as plain ws does',
  { timeout: 300_000 },
  async () => {
    const [own, plain] = [await verdicts(serveByFront), await verdicts(serveByWs)]
    expect(own).toEqual(plain)
    expect(Object.keys(own).length).toBeGreaterThan(250)
    const failed = Object.entries(own).filter(([, { behavior }]) => behavior === 'FAILED')
    // A message in 65,536 fragments, of which `ws` takes no more than 16,384.
    expect(failed.map(([name]) => name)).toEqual(['9.3.1'])
  },
)
