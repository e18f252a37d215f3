/**
 * The time until which a connection holds the name of its client.
 */
import { once } from 'node:events'
import { SignJWT } from 'jose'
import { expect, test } from 'vitest'
import { clientFrame, OPCODES, RawClient } from '../support/raw-client.js'
import { ListJournal } from '../support/list-journal.js'
import { TestClient } from '../support/test-client.js'
import { startServer } from '../support/test-server.js'

test('a connection whose client has sent a close frame does not hold its name, although its socket still exists', async () => {
  const left: number[] = []
  const server = await startServer({ hooks: { onDisconnect: ({ code }) => void left.push(code) } })
  const old = await RawClient.connect(server, 'maria')
  // The server waits for the end of the socket, which the client keeps open.
  old.socket.write(clientFrame(OPCODES.close, Buffer.from([3000 >> 8, 3000 & 255])))
  while (server.connections.get('maria')?.transport.isOpen) await new Promise((resolve) => setImmediate(resolve))
  const next = await server.connect('maria')
  expect(left).toEqual([3000])
  expect(server.connections.getActiveCount()).toBe(1)
  await next.publish('here')
  old.socket.destroy()
})

test('a connection that the server closes for a fault of the client does not hold its name', async () => {
  const server = await startServer({ maxPayloadBytes: 200 })
  const old = await RawClient.connect(server, 'maria')
  old.socket.write(clientFrame(OPCODES.text, 'x'.repeat(300)))
  while (server.connections.get('maria')?.transport.isOpen) await new Promise((resolve) => setImmediate(resolve))
  await server.connect('maria')
  old.socket.destroy()
})

test('another client learns when to try again, and gets a final rejection once the holder has answered', async () => {
  const server = await startServer()
  const holder = await server.connect('maria')
  const pinged = once(holder.socket, 'ping')
  const reject = async (): Promise<unknown> => {
    const client = await TestClient.connect(`${server.webSocketUrl}/maria`, { protocol: 'lastcall.v1' })
    const { code } = await client.closed
    expect(code).toBe(4009)
    return client.messages
  }
  const [frame] = (await reject()) as [{ retryInMs: number }]
  expect(frame).toMatchObject({ type: 'rejected', code: 4009, reason: 'Це імʼя вже зайняте' })
  expect(frame.retryInMs).toBe(5000)
  await pinged
  // This frame follows the pong, so the server has read the pong, too.
  await holder.publish('alive')
  expect(await reject()).toEqual([{ type: 'rejected', code: 4009, reason: 'Це імʼя вже зайняте' }])
  await holder.publish('still here')
})

test('another client gets the name of a half-open connection 5 s after the server has pinged it', async () => {
  const server = await startServer({ heartbeatIntervalSeconds: 3600 })
  // The client has vanished: the socket exists, and nothing answers.
  const holder = await RawClient.connect(server, 'maria', { answersPings: false })
  const rejections: unknown[] = []
  let next: TestClient
  for (;;) {
    next = await TestClient.connect(`${server.webSocketUrl}/maria`, { protocol: 'lastcall.v1' })
    const answer = await next.until(() => true)
    if (answer.type === 'welcome') break
    rejections.push(answer)
    // A frame that was in flight when the client vanished arrives behind the ping.
    if (rejections.length === 1) holder.socket.write(clientFrame(OPCODES.text, '{"type":"publish","data":1}'))
    const { retryInMs } = answer as unknown as { retryInMs: number }
    expect(retryInMs).toBeLessThanOrEqual(5000)
    // The client library acts in the same way.
    await new Promise((resolve) => setTimeout(resolve, retryInMs))
  }
  expect(rejections[0]).toMatchObject({ type: 'rejected', code: 4009, retryInMs: 5000 })
  expect(holder.controls).toContain(OPCODES.ping)
  await holder.ended
  expect(server.connections.getActiveCount()).toBe(1)
  await next.publish('here')
})

test('the server tells one of two connections with one name, on instances that did not know each other, to retry', async () => {
  const journal = new ListJournal()
  const sessionSecret = 'a secret that both instances have in common'
  const [a, b] = [await startServer({ journal, sessionSecret }), await startServer({ journal, sessionSecret })]
  const early = await a.connect('early')
  await b.connect('other')
  await early.presence(({ joined }) => joined.includes('other'))
  const release = journal.hold()
  const first = await a.connect('maria')
  const second = await b.connect('maria')
  release()
  expect(await second.closed).toMatchObject({ code: 1013, reason: 'Це імʼя вже зайняте' })
  const { session } = await second.first('welcome')
  await first.leave()
  for (;;) {
    const again = await TestClient.connect(`${b.webSocketUrl}/maria?session=${session}`, { protocol: 'lastcall.v1' })
    const { type } = await again.until(() => true)
    if (type === 'welcome') break
  }
})

test('without `lastcall.v1` no frame precedes the close', async () => {
  const server = await startServer()
  await server.connect('maria')
  const client = await TestClient.connect(`${server.webSocketUrl}/maria`)
  expect(await client.closed).toMatchObject({ code: 4009 })
  expect(client.messages).toEqual([])
})

test('with tokens no other client gets a name', async () => {
  const authSecret = 'another secret of more than thirty-two bytes'
  const server = await startServer({ authSecret })
  const token = await new SignJWT({}).setProtectedHeader({ alg: 'HS256' }).sign(Buffer.from(authSecret))
  await server.connect(`maria?token=${token}`)
  const client = await TestClient.connect(`${server.webSocketUrl}/maria?token=${token}`)
  expect(await client.closed).toMatchObject({ code: 4009 })
})
