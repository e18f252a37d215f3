/** Clients that repeat a rejected handshake get each answer, and other clients at their address do not wait for it. */
import { connect } from 'node:net'
import { SignJWT } from 'jose'
import { expect, test } from 'vitest'
import { handshake } from '../support/raw-client.js'
import { RecordingLogger } from '../support/recording-logger.js'
import { TestClient, type Ending } from '../support/test-client.js'
import { startServer, type TestServer } from '../support/test-server.js'

const SECRET = 'one more secret of more than thirty-two bytes'

/** So many rejections of an address are answered at once. */
const AT_ONCE = 20

async function rejected({ webSocketUrl }: TestServer): Promise<Ending> {
  return await (
    await TestClient.connect(`${webSocketUrl}/anna?token=nonsense`)
  ).closed
}

/** A server that has rejected as many clients of this address as it answers at once, and its log. */
async function startBusy(): Promise<{ server: TestServer; log: RecordingLogger }> {
  const log = new RecordingLogger()
  const server = await startServer({ authSecret: SECRET, shutdownTimeoutSeconds: 0, logger: log })
  // Both together: the server answers one more at once every three seconds.
  const endings = await Promise.all(Array.from({ length: AT_ONCE }, () => rejected(server)))
  for (const { code } of endings) expect(code).toBe(1008)
  return { server, log }
}

test('the 21st rejection of an address is late, and an accepted client of the address is not', async () => {
  const { server } = await startBusy()
  const startedAt = performance.now()
  const late = rejected(server)
  const token = await new SignJWT({ sub: 'bob' }).setProtectedHeader({ alg: 'HS256' }).sign(Buffer.from(SECRET))
  await server.connect(`bob?token=${token}`)
  expect((await late).code).toBe(1008)
  expect(performance.now() - startedAt).toBeGreaterThanOrEqual(1000)
})

test('a client may disconnect before its late answer', async () => {
  const { server, log } = await startBusy()
  const socket = connect(server.port, server.host)
  socket.write(handshake('/ws/anna?token=nonsense'))
  await log.nth('rejected', AT_ONCE + 1)
  socket.destroy()
  // The server answers this client after the one before.
  expect((await rejected(server)).code).toBe(1008)
  expect(log.all('error')).toEqual([])
})

test('a client that waits for its answer gets it when the server stops', async () => {
  const { server, log } = await startBusy()
  const late = Array.from({ length: 5 }, () => rejected(server))
  await log.nth('rejected', AT_ONCE + late.length)
  await server.close()
  for (const ending of await Promise.all(late)) expect(ending.code).toBe(1008)
})
