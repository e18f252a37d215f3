/**
 * The fault proxy applies the drawn faults to connections and forwards all other bytes.
 */
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { drawFate, FaultProxy, ROUGH, type Fate } from '../../e2e/chaos/fault-proxy.js'
import { Random } from '../../e2e/chaos/random.js'

const PASSES: Fate = {
  fault: 'none',
  direction: 'both',
  afterBytes: Infinity,
  by: 'fin',
  stallMs: 0,
  delayMs: () => 0,
  pieceBytes: () => Infinity,
}

/** One end of a connection: the bytes that it receives, and its end. */
class End {
  readonly socket: Socket
  text = ''
  #changed: (() => void)[] = []
  ended = false
  error: string | undefined

  constructor(socket: Socket) {
    this.socket = socket
    socket.on('data', (data: Buffer) => this.#change(() => (this.text += data.toString('latin1'))))
    socket.on('end', () => this.#change(() => (this.ended = true)))
    socket.on('error', (error: Error & { code?: string }) => this.#change(() => (this.error = error.code)))
    socket.on('close', () => this.#change(() => undefined))
  }

  #change(apply: () => void): void {
    apply()
    for (const changed of this.#changed.splice(0)) changed()
  }

  async until(isTrue: (end: this) => boolean): Promise<void> {
    while (!isTrue(this)) await new Promise<void>((resolve) => this.#changed.push(resolve))
  }
}

/** A connection through a proxy that has this fate. */
async function connected(
  fate: Partial<Fate>,
): Promise<{ client: End; server: End; proxy: FaultProxy; faults: string[] }> {
  const faults: string[] = []
  const listener = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const proxy = new FaultProxy({
    target: () => (listener.address() as AddressInfo).port,
    nextFate: () => ({ ...PASSES, ...fate }),
    onFault: (what) => faults.push(what),
  })
  const accepted = once(listener, 'connection') as Promise<[Socket]>
  const client = new End(connect({ port: await proxy.listen(), host: '127.0.0.1', allowHalfOpen: true }))
  const [socket] = await accepted
  onTestFinished(async () => {
    client.socket.destroy()
    socket.destroy()
    listener.close()
    await proxy.close()
  })
  return { client, server: new End(socket), proxy, faults }
}

test('the proxy forwards bytes and ends in both directions', async () => {
  const { client, server, faults } = await connected({})
  client.socket.end('hello')
  await server.until(({ ended }) => ended)
  expect(server.text).toBe('hello')
  server.socket.end('welcome')
  await client.until(({ ended }) => ended)
  expect([client.text, client.error, faults]).toEqual(['welcome', undefined, []])
})

test('delayed and split bytes arrive complete and in order', async () => {
  const random = new Random(1)
  const { client, server } = await connected({
    delayMs: () => random.between(0, 2),
    pieceBytes: () => random.between(1, 5000),
  })
  const text = Array.from({ length: 20_000 }, (_, index) => String(index)).join()
  client.socket.end(text)
  await server.until(({ ended }) => ended)
  expect(server.text).toBe(text)
})

test('a reset passes as a reset', async () => {
  const { client, server } = await connected({})
  client.socket.write('x')
  await server.until(({ text }) => text === 'x')
  client.socket.resetAndDestroy()
  await server.until(({ error }) => error !== undefined)
  expect(server.error).toBe('ECONNRESET')
})

test('a cut forwards exactly the given number of bytes and ends both sides', async () => {
  const { client, server, proxy, faults } = await connected({ fault: 'cut', direction: 'up', afterBytes: 7 })
  client.socket.write('0123456789')
  await Promise.all([
    server.until(({ ended }) => ended),
    client.until(({ ended, error }) => ended || error !== undefined),
  ])
  expect([server.text, faults]).toEqual(['0123456', ['cut-fin']])
  server.socket.end()
  await server.until(({ socket }) => socket.destroyed)
  expect(proxy.size).toBe(0)
})

test('a cut can be a reset', async () => {
  const { client, server, faults } = await connected({ fault: 'cut', direction: 'down', afterBytes: 1, by: 'rst' })
  server.socket.write('0123456789')
  await server.until(({ error }) => error !== undefined)
  // Node reports a reset that arrives together with data as an end.
  await client.until(({ ended, error }) => ended || error !== undefined)
  expect([client.text, server.error, faults]).toEqual(['0', 'ECONNRESET', ['cut-rst']])
})

test('a stall stops one direction and the other continues', async () => {
  const { client, server, proxy, faults } = await connected({
    fault: 'stall',
    direction: 'up',
    afterBytes: 3,
    stallMs: Infinity,
  })
  client.socket.write('012345')
  await server.until(({ text }) => text.length > 0)
  server.socket.write('still here')
  await client.until(({ text }) => text === 'still here')
  proxy.outage('fin')
  await server.until(({ ended, error }) => ended || error !== undefined)
  expect([server.text, faults]).toEqual(['012', ['stall', 'outage']])
})

test('a stall loses no bytes', async () => {
  const { client, server, faults } = await connected({ fault: 'stall', direction: 'both', afterBytes: 3, stallMs: 20 })
  client.socket.end('012345')
  await server.until(({ ended }) => ended)
  expect([server.text, faults]).toEqual(['012345', ['stall']])
})

test('a half-closed connection still forwards the other direction', async () => {
  const { client, server, faults } = await connected({ fault: 'half-close', direction: 'up', afterBytes: 3 })
  client.socket.write('012345')
  await server.until(({ ended }) => ended)
  server.socket.end('not over yet')
  await client.until(({ ended }) => ended)
  expect([server.text, client.text, faults]).toEqual(['012', 'not over yet', ['half-close']])
})

test('a fate that watches the bytes decides where the connection ends', async () => {
  const watch: Fate['watch'] = (direction, chunk) => (direction === 'down' ? chunk.indexOf('!') : Infinity)
  const { client, server } = await connected({ fault: 'cut', watch })
  client.socket.write('not here!')
  await server.until(({ text }) => text === 'not here!')
  server.socket.write('here! and no more')
  await client.until(({ ended, error }) => ended || error !== undefined)
  expect(client.text).toBe('here')
})

test('the proxy resets a connection that it refuses or that has no target', async () => {
  for (const target of [1, undefined]) {
    const proxy = new FaultProxy({ target: () => target, nextFate: () => ({ ...PASSES, fault: 'refuse' }) })
    const client = new End(connect(await proxy.listen(), '127.0.0.1'))
    await client.until(({ error }) => error !== undefined)
    expect(client.error).toBe('ECONNRESET')
    await proxy.close()
  }
})

test('calm() cuts the open connections and leaves later ones alone', async () => {
  const { client, proxy } = await connected({ fault: 'silence', afterBytes: 0 })
  proxy.calm()
  await client.until(({ error }) => error !== undefined)
  expect(proxy.size).toBe(0)
})

test('the same seed draws the same fates, and another seed draws others', () => {
  const fates = (seed: number): unknown[] => {
    const random = new Random(seed)
    return Array.from({ length: 50 }, () => drawFate(random, ROUGH)).map(({ delayMs, pieceBytes, ...fate }) => ({
      ...fate,
      pieces: [delayMs(), pieceBytes(), delayMs()],
    }))
  }
  expect(fates(1)).toEqual(fates(1))
  expect(fates(1)).not.toEqual(fates(2))
  expect(new Set(fates(1).map((fate) => (fate as Fate).fault))).toEqual(new Set(Object.keys(ROUGH)))
})
