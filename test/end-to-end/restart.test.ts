/**
 * The real command restarts without another instance beside it: its clients return at the times that it gave them.
 */
import { connect, type Client, type ClientEvents, type ConnectionDetails } from '@lastcall/client'
import { expect, onTestFinished, test } from 'vitest'
import { WebSocket } from 'ws'
import { Command } from '../support/command.js'

const CLIENTS = 5
const RESTART_TIME_MS = 350

function next<Event extends keyof ClientEvents>(client: Client, event: Event): Promise<ClientEvents[Event]> {
  return new Promise((resolve) => void client.on(event, resolve))
}

test('each client obeys the hint of the last frame and receives every message', { timeout: 180_000 }, async () => {
  const command = await Command.start({ SHUTDOWN_TIMEOUT: '0', RESTART_TIME: String(RESTART_TIME_MS) })
  const clients = Array.from({ length: CLIENTS }, (_, index) => {
    const client = connect(command.webSocketUrl, { webSocket: WebSocket, clientId: `client-${index}` })
    onTestFinished(() => client.close())
    return client
  })
  await Promise.all(clients.map((client) => next(client, 'state')))
  const closings = clients.map((client) => next(client, 'shutdown'))
  const losses = clients.map(
    (client) => new Promise<ConnectionDetails>((resolve) => void client.on('state', (_, details) => resolve(details))),
  )
  const recoveries = clients.map((client) => next(client, 'recovered'))
  expect(await command.stop('SIGTERM')).toBe(0)
  await Promise.all(closings)
  for (const [index, client] of clients.entries()) {
    const { code, nextAttemptInMs } = (await losses[index]) as ConnectionDetails
    expect(code, client.clientId).toBe(1001)
    expect(nextAttemptInMs).toBeGreaterThanOrEqual(RESTART_TIME_MS)
    expect(nextAttemptInMs).toBeLessThanOrEqual(RESTART_TIME_MS + CLIENTS)
  }
  await command.startAgain()
  for (const { recovered } of await Promise.all(recoveries)) expect(recovered).toBe(true)
  const heard = clients.slice(1).map((client) => next(client, 'message'))
  await clients[0]?.publish('after the restart')
  for (const message of heard) expect((await message).data).toBe('after the restart')
})
