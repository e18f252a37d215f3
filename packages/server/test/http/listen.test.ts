/**
 * The URLs that the server reports: a user opens them on the machine of the server.
 */
import { expect, onTestFinished, test } from 'vitest'
import { createServer } from '../../src/create-server.js'

test.each([
  ['0.0.0.0', 'localhost'],
  ['127.0.0.1', '127.0.0.1'],
])('a server at %s is opened as %s', async (host, inUrl) => {
  const server = await createServer({ host, port: 0, journalUrl: 'memory:' })
  onTestFinished(() => server.close().then(() => undefined))
  const address = await server.listen()
  expect(address).toMatchObject({
    host,
    httpUrl: `http://${inUrl}:${address.port}/`,
    webSocketUrl: `ws://${inUrl}:${address.port}/ws`,
  })
})
