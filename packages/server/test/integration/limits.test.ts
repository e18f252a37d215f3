/**
 * Limits: too many or too large messages, binary frames and malformed text. Some cost an error, others the connection.
 */
import { describe, expect, test } from 'vitest'
import { OPCODES, RawClient } from '../support/raw-client.js'
import { startServer, type TestServer } from '../support/test-server.js'

const STRICT = { protocol: 'lastcall.v1' }

const quiet = (some: Parameters<typeof startServer>[0] = {}): Promise<TestServer> =>
  startServer({ presenceIntervalMs: 0, ...some })

describe('the 61st message within a minute', () => {
  test('is refused with a time to wait, and not delivered', async () => {
    const server = await quiet({ maxMessagesPerMinute: 60 })
    const [a, b] = [await server.connect('a'), await server.connect('b')]
    for (let index = 1; index <= 61; index++) a.send({ type: 'message', data: index, id: `i${index}` })
    const error = await a.first('error')
    expect(error).toMatchObject({ code: 'rate_limited', temporary: true, id: 'i61' })
    expect(error.retryInMs).toBeGreaterThan(0)
    expect(error.retryInMs).toBeLessThanOrEqual(1000)
    await b.publish('marker')
    await a.first('message')
    await a.until(() => a.all('ack').length === 60)
    expect(b.heard).toEqual(Array.from({ length: 60 }, (_, index) => index + 1))
  })

  test('affects no other client', async () => {
    const server = await quiet({ maxMessagesPerMinute: 1 })
    const [a, b] = [await server.connect('a'), await server.connect('b')]
    await a.publish(1)
    a.send({ type: 'message', data: 2 })
    await a.first('error')
    await b.publish(3)
  })

  test('is refused after a reconnect, too', async () => {
    const server = await quiet({ maxMessagesPerMinute: 2 })
    const a = await server.connect('a')
    const { session } = await a.first('welcome')
    await a.publish(1)
    await a.publish(2)
    const again = await server.connect(`a?session=${session}`)
    again.send({ type: 'message', data: 3 })
    expect(await again.first('error')).toMatchObject({ code: 'rate_limited' })
  })

  test('is accepted if it is a ping, because pings do not count', async () => {
    const server = await quiet({ maxMessagesPerMinute: 1 })
    const a = await server.connect('a')
    for (let index = 0; index < 10; index++) a.send({ type: 'ping' })
    await a.publish('hello')
  })
})

describe('a message', () => {
  test('of a megabyte closes the connection with 1009', async () => {
    const server = await quiet()
    const [a, b] = [await server.connect('a'), await server.connect('b')]
    a.send({ type: 'message', data: 'x'.repeat(1024 * 1024) })
    expect(await a.closed).toMatchObject({ code: 1009 })
    await b.publish('the others stay')
  })

  test('of exactly MAX_PAYLOAD is accepted, and one byte more closes the connection', async () => {
    const server = await quiet({ maxPayloadBytes: 1000 })
    const [a, b] = [await server.connect('a'), await server.connect('b')]
    const text = (length: number): string => {
      const empty = JSON.stringify({ type: 'message', data: '' })
      return JSON.stringify({ type: 'message', data: 'x'.repeat(length - empty.length) })
    }
    a.send(text(1000))
    await b.first('message')
    a.send(text(1001))
    expect(await a.closed).toMatchObject({ code: 1009 })
  })

  test('in fragments is joined, and closes the connection if the sum is too large', async () => {
    const server = await quiet({ maxPayloadBytes: 1000 })
    const b = await server.connect('b')
    const a = await RawClient.connect(server, 'a')
    a.send(OPCODES.text, '{"type":"message",', { fin: false })
    a.send(OPCODES.ping, 'in between')
    a.send(OPCODES.continuation, '"data":"hello"}')
    expect((await b.first('message')).data).toBe('hello')
    a.send(OPCODES.text, '"'.padEnd(600, 'x'), { fin: false })
    a.send(OPCODES.continuation, 'x'.repeat(600))
    expect(await a.closeFrame).toMatchObject({ code: 1009 })
    a.socket.destroy()
  })

  test('in a binary frame closes the connection with 1003 and says why', async () => {
    const server = await quiet()
    const a = await server.connect('a')
    a.socket.send(Buffer.from('hello'))
    expect(await a.closed).toEqual({ code: 1003, reason: 'Приймаються лише текстові повідомлення' })
  })

  test('that is not UTF-8 closes the connection with 1007', async () => {
    const server = await quiet()
    const a = await RawClient.connect(server, 'a')
    a.send(OPCODES.text, Buffer.from([0x22, 0xc3, 0x28, 0x22]))
    expect(await a.closeFrame).toMatchObject({ code: 1007 })
    a.socket.destroy()
  })

  test.each([
    ['reserved bits', Buffer.from([0xf1, 0x80, 0, 0, 0, 0])],
    ['an opcode that does not exist', Buffer.from([0x83, 0x80, 0, 0, 0, 0])],
    ['no mask', Buffer.from([0x81, 0x01, 0x61])],
    ['a fragmented ping', Buffer.from([0x09, 0x80, 0, 0, 0, 0])],
    ['a continuation of nothing', Buffer.from([0x80, 0x80, 0, 0, 0, 0])],
  ])('with %s closes the connection with 1002', async (_name, bytes) => {
    const server = await quiet()
    const a = await RawClient.connect(server, 'a')
    a.socket.write(bytes)
    expect(await a.closeFrame).toMatchObject({ code: 1002 })
    a.socket.destroy()
  })

  test('larger than the retained history is refused, and the others of its turn are not', async () => {
    const server = await quiet({ historyBytes: 2048, maxPayloadBytes: 2048 })
    const [a, b] = [await server.connect('a'), await server.connect('b')]
    a.send({ type: 'message', data: 'small', id: '1' })
    a.send({ type: 'message', data: 'x'.repeat(2000), id: '2' })
    a.send({ type: 'message', data: 'small', id: '3' })
    expect(await a.first('error')).toMatchObject({ code: 'too_large', id: '2', temporary: false })
    await a.first('ack', ({ id }) => id === '3')
    await b.first('message', ({ id }) => id === '3')
    expect(b.all('message').map(({ id }) => id)).toEqual(['1', '3'])
  })
})

describe('in the strict dialect', () => {
  test('broken JSON is a bad_message, and the connection stays open', async () => {
    const server = await quiet()
    const [a, b] = [await server.connect('a', STRICT), await server.connect('b')]
    a.send('{"type":"message","data":')
    expect(await a.first('error')).toMatchObject({ code: 'bad_message', temporary: false })
    await a.publish('hello')
    await b.first('message')
    expect(b.heard).toEqual(['hello'])
  })

  test('an unknown type is an error of its own, under the id of the message', async () => {
    const server = await quiet()
    const a = await server.connect('a', STRICT)
    a.send({ type: 'dance', id: 'x' })
    expect(await a.first('error')).toMatchObject({ code: 'unknown_type', id: 'x' })
  })

  test('the server reports an error in the language of the client', async () => {
    const server = await quiet()
    const a = await server.connect('a', { ...STRICT, headers: { 'accept-language': 'en' } })
    a.send('nonsense')
    expect((await a.first('error')).message).toMatch(/^The message does not follow the protocol/)
  })

  test('twenty wrong messages in a row close the connection with 1008', async () => {
    const server = await quiet()
    const a = await server.connect('a', STRICT)
    for (let index = 0; index < 20; index++) a.send('nonsense')
    expect(await a.closed).toEqual({ code: 1008, reason: 'Забагато хибних повідомлень поспіль' })
    expect(a.all('error')).toHaveLength(20)
  })

  test('nineteen wrong messages before a right one do not', async () => {
    const server = await quiet()
    const a = await server.connect('a', STRICT)
    for (let round = 0; round < 3; round++) {
      for (let index = 0; index < 19; index++) a.send('nonsense')
      a.send({ type: 'ping' })
    }
    await a.until(() => a.all('pong').length === 3)
    await a.publish('hello')
  })
})

test('no deep, long or odd message ends the server', async () => {
  const server = await quiet({ maxPayloadBytes: 4 * 1024 * 1024 })
  const [a, b] = [await server.connect('a', STRICT), await server.connect('b')]
  for (const text of [
    `{"type":"message","data":${'['.repeat(1_000_000)}${']'.repeat(1_000_000)}}`,
    '{"type":"__proto__"}',
    '{"__proto__":{"type":"ping"}}',
    '{"type":"message","data":1e999}',
    '{"type":"message","data":"\\ud800"}',
    '{"type":"subscribe","channels":["__proto__","constructor"]}',
    '{"type":"direct","to":"__proto__","data":1}',
    '{"type":"message","channel":"__proto__","id":"__proto__","data":1}',
  ]) {
    a.send(text)
  }
  await a.publish('marker')
  await b.first('message', ({ data }) => data === 'marker')
})
